using System.Diagnostics;
using System.Globalization;

namespace Jobs.Benchmarks;

/// <summary>A worker process is killed (SIGKILL) with jobs in hand: how long until they start in another process.</summary>
static class CrashRecovery
{
    const int JobsInHand = 16;

    public static async Task RunAsync(BenchmarkOptions options)
    {
        var times = new List<double>();
        for (var round = 0; round < (options.Rounds ?? 10); round++)
        {
            using var victim = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, ["crash-victim", "--broker", options.Broker]) { RedirectStandardOutput = true })!;
            try
            {
                await LineAsync(victim, "ready");
                await using var producer = await JobsUnderTest.StartAsync(options, worker: false);
                await producer.Dispatcher.EnqueueManyAsync(Enumerable.Range(0, JobsInHand).Select(_ => BenchJobs.Hold()));
                for (var i = 0; i < JobsInHand; i++)
                {
                    await LineAsync(victim, "started");
                }

                await using var other = await JobsUnderTest.StartAsync(options);
                var done = BenchTasks.Done.Start(JobsInHand);
                victim.Kill();
                var killed = Stopwatch.GetTimestamp();
                await done.WaitAsync(TimeSpan.FromMinutes(2));
                times.Add(Stopwatch.GetElapsedTime(killed).TotalMilliseconds);
            }
            finally
            {
                if (!victim.HasExited)
                {
                    victim.Kill();
                }
            }
        }

        times.Sort();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{times.Count} kills with {JobsInHand} jobs running: all of them ran elsewhere after {times[times.Count / 2]:0} ms (median), {times[^1]:0} ms (slowest)"));
    }

    /// <summary>The process that is killed: its jobs never end.</summary>
    public static async Task VictimAsync(BenchmarkOptions options)
    {
        BenchTasks.Holding = true;
        await using var worker = await JobsUnderTest.StartAsync(options);
        Console.WriteLine("ready");
        await Task.Delay(TimeSpan.FromMinutes(2)); // killed long before; ends by itself if nobody does
    }

    static async Task LineAsync(Process process, string expected)
    {
        var line = await process.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromMinutes(1));
        if (line != expected)
        {
            throw new InvalidOperationException($"The victim said '{line}', not '{expected}'.");
        }
    }
}
