using System.Diagnostics;
using System.Globalization;

namespace Jobs.Benchmarks;

/// <summary>At a fixed rate: how long from enqueue to start, and from enqueue to confirm, against the reference loop.</summary>
static class Latency
{
    public static async Task RunAsync(BenchmarkOptions options)
    {
        await using var reference = await Reference.StartAsync(options.Broker);
        await using var jobs = await JobsUnderTest.StartAsync(options.Broker);
        var text = new string('x', 400);
        var count = options.Rate * options.Seconds;
        Console.WriteLine($"{options.Rate} jobs/s for {options.Seconds} s each, milliseconds");
        Console.WriteLine($"{"",-11} {"start p50",10} {"start p99",10} {"confirm p50",12} {"confirm p99",12}");

        foreach (var warmUp in new[] { true, false })
        {
            var n = warmUp ? options.Rate * 2 : count;
            reference.StartLatencies.Clear();
            reference.ConfirmLatencies.Clear();
            var done = reference.Done.Start(n);
            var confirmed = reference.Confirmed.Start(n);
            await PacedAsync(options.Rate, n, _ => reference.PublishAsync(480, Stopwatch.GetTimestamp()));
            await Task.WhenAll(done, confirmed);
            Show("reference", warmUp, reference.StartLatencies, reference.ConfirmLatencies);

            BenchTasks.StartLatencies.Clear();
            var confirms = new List<double>();
            done = BenchTasks.Done.Start(n);
            await PacedAsync(options.Rate, n, _ => EnqueueAsync());
            await done;
            Show("Jobs", warmUp, BenchTasks.StartLatencies, confirms);

            async Task EnqueueAsync()
            {
                var start = Stopwatch.GetTimestamp();
                await jobs.Dispatcher.EnqueueAsync(BenchJobs.Stamp(start, text));
                lock (confirms)
                {
                    confirms.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
                }
            }
        }
    }

    static async Task PacedAsync(int rate, int count, Func<int, Task> one)
    {
        var start = Stopwatch.GetTimestamp();
        var running = new List<Task>(count);
        using var ticks = new PeriodicTimer(TimeSpan.FromMilliseconds(2));
        while (running.Count < count && await ticks.WaitForNextTickAsync())
        {
            var due = Math.Min(count, (int)(Stopwatch.GetElapsedTime(start).TotalSeconds * rate));
            while (running.Count < due)
            {
                running.Add(one(running.Count));
            }
        }

        await Task.WhenAll(running);
    }

    static void Show(string name, bool warmUp, List<double> start, List<double> confirm)
    {
        if (!warmUp)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-11} {Percentile(start, 50),10:0.00} {Percentile(start, 99),10:0.00} {Percentile(confirm, 50),12:0.00} {Percentile(confirm, 99),12:0.00}"));
        }
    }

    static double Percentile(List<double> values, int percent)
    {
        values.Sort();
        return values.Count == 0 ? double.NaN : values[Math.Min(values.Count - 1, values.Count * percent / 100)];
    }
}
