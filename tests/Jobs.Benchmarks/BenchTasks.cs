using System.Diagnostics;

namespace Jobs.Benchmarks;

/// <summary>What the benchmarks run.</summary>
public static class BenchTasks
{
    internal const string Queue = "bench.jobs";
    internal static readonly Countdown Done = new();
    internal static readonly List<double> StartLatencies = [];

    /// <summary>Nothing but being counted.</summary>
    [Task("bench.noop", Queue = Queue)]
    public static void Noop(string text)
    {
        _ = text;
        Done.Signal();
    }

    internal static bool Holding { get; set; }

    /// <summary>Never ends in the process that is to be killed; ends at once in another.</summary>
    [Task("bench.hold", Queue = Queue)]
    public static async Task Hold()
    {
        if (Holding)
        {
            Console.WriteLine("started");
            await Task.Delay(Timeout.Infinite);
        }

        Done.Signal();
    }

    /// <summary>Records how long ago it was enqueued.</summary>
    [Task("bench.stamp", Queue = Queue)]
    public static void Stamp(long enqueued, string text)
    {
        _ = text;
        lock (StartLatencies)
        {
            StartLatencies.Add(Stopwatch.GetElapsedTime(enqueued).TotalMilliseconds);
        }

        Done.Signal();
    }
}
