using System.Diagnostics;
using System.Globalization;

namespace Jobs.Benchmarks;

/// <summary>At a fixed rate: how long from enqueue to start, and from enqueue to confirm, against the reference loop, in alternating rounds.</summary>
static class Latency
{
    sealed record Result(double StartMedian, double StartP99, double ConfirmMedian, double ConfirmP99);

    static readonly IReadOnlyList<(string Title, Func<Result, double> Value)> Columns =
    [
        ("start p50", r => r.StartMedian),
        ("start p99", r => r.StartP99),
        ("confirm p50", r => r.ConfirmMedian),
        ("confirm p99", r => r.ConfirmP99),
    ];

    public static async Task RunAsync(BenchmarkOptions options)
    {
        var (rounds, rate, seconds) = (options.Rounds ?? 3, options.Rate ?? 500, options.Seconds ?? 20);
        await using var reference = await OwnTracking.StartAsync(options);
        await using var jobs = await JobsUnderTest.StartAsync(options);
        Console.WriteLine($"{rounds} rounds of {rate} jobs/s for {seconds} s each, milliseconds");
        Console.WriteLine($"own-tracking  {OwnTracking.About}");
        foreach (var side in new[] { reference, jobs })
        {
            await MeasureAsync(side, rate, rate * 2); // warm-up
        }

        Console.WriteLine();
        Console.WriteLine($"{"round",-7}{"",-14}{string.Concat(Columns.Select(c => $"{c.Title,13}"))}");
        List<(Result Reference, Result Jobs)> results = [];
        for (var round = 0; round < rounds; round++)
        {
            var first = await ShowAsync(round, round % 2 == 0 ? reference : jobs);
            var second = await ShowAsync(round, round % 2 == 0 ? jobs : reference);
            results.Add(round % 2 == 0 ? (first, second) : (second, first));
        }

        Console.WriteLine();
        Console.WriteLine($"{"median (min–max)",-21}{string.Concat(Columns.Select(c => $"{c.Title,26}"))}");
        Line("own-tracking", "0.00", (r, value) => value(r.Reference));
        Line("Jobs", "0.00", (r, value) => value(r.Jobs));
        Line("Jobs / own-tracking", "0.00", (r, value) => value(r.Jobs) / value(r.Reference));

        async Task<Result> ShowAsync(int round, ISide side)
        {
            var result = await MeasureAsync(side, rate, rate * seconds);
            Console.WriteLine($"{round + 1,-7}{side.Name,-14}{string.Concat(Columns.Select(c => $"{c.Value(result).ToString("0.00", CultureInfo.InvariantCulture),13}"))}");
            return result;
        }

        void Line(string name, string format, Func<(Result Reference, Result Jobs), Func<Result, double>, double> value) =>
            Console.WriteLine($"{name,-21}{string.Concat(Columns.Select(c => $"{Spread.Of(results.Select(r => value(r, c.Value))).ToString(format),26}"))}");
    }

    static async Task<Result> MeasureAsync(ISide side, int rate, int count)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        side.StartLatencies.Clear();
        var confirms = new List<double>(count);
        var done = side.Expect(count);
        await Pace.RunAsync(rate, count, EnqueueAsync);
        await done;
        return new(Percentile(side.StartLatencies, 50), Percentile(side.StartLatencies, 99), Percentile(confirms, 50), Percentile(confirms, 99));

        async Task EnqueueAsync()
        {
            var start = Stopwatch.GetTimestamp();
            await side.EnqueueAsync();
            lock (confirms)
            {
                confirms.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            }
        }
    }

    static double Percentile(List<double> values, int percent)
    {
        values.Sort();
        return values.Count == 0 ? double.NaN : values[Math.Min(values.Count - 1, values.Count * percent / 100)];
    }
}
