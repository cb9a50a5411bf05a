using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;

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

    /// <summary>The begin and the middle of a chain.</summary>
    [Task("bench.link", Queue = Queue)]
    public static string Link(string text) => text;

    /// <summary>The same done by hand: enqueues the next job itself.</summary>
    [Task("bench.hand", Queue = Queue)]
    public static async Task Hand(string text, int left, JobContext context)
    {
        await context.Services.GetRequiredService<IJobDispatcher>().EnqueueAsync(left > 0 ? BenchJobs.Hand(text, left - 1) : BenchJobs.Noop(text));
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

    /// <summary>Waits for something, as most jobs do. One of a hundred fails for good.</summary>
    [Task("bench.pace", Queue = Queue, MaxRetries = 0)]
    public static async Task<int> Pace(int number)
    {
        await Task.Delay(20);
        return number % 100 == 0 ? throw new TimeoutException($"job {number} is too slow") : number;
    }
}
