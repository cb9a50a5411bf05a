using System.Diagnostics;

namespace Jobs.Benchmarks;

/// <summary>What the benchmarks run.</summary>
public static class BenchTasks
{
    internal static readonly Countdown Done = new();
    internal static readonly List<double> StartLatencies = [];

    /// <summary>Nothing but being counted.</summary>
    [Task("bench.noop", Queue = "bench.jobs")]
    public static void Noop(string text)
    {
        _ = text;
        Done.Signal();
    }

    internal static bool Holding { get; set; }

    /// <summary>Never ends in the process that is to be killed; ends at once in another.</summary>
    [Task("bench.hold", Queue = "bench.jobs")]
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
    [Task("bench.stamp", Queue = "bench.jobs")]
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

/// <summary>Completes when as many signals have come as were announced.</summary>
sealed class Countdown
{
    TaskCompletionSource done = new();
    int left;

    public Task Start(int count)
    {
        left = count;
        done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        return done.Task;
    }

    public void Signal()
    {
        if (Interlocked.Decrement(ref left) == 0)
        {
            done.TrySetResult();
        }
    }
}
