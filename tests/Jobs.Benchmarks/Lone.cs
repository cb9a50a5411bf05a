using System.Globalization;

namespace Jobs.Benchmarks;

/// <summary>
/// CPU of jobs that come one at a time, at a rate that leaves the process idle most of the time, for a small and a large number of idle slots. The CPU of the same
/// time with the same pace but without jobs is taken off. Only one side lives at a time: an idle one has its own timers.
/// </summary>
static class Lone
{
    sealed record Result(double CpuMilliseconds, double IdlePercent);

    public static async Task RunAsync(BenchmarkOptions options)
    {
        var (rounds, rate, seconds) = (options.Rounds ?? 3, options.Rate ?? 50, options.Seconds ?? 10);
        int[] slots = options.Concurrency is { } given ? [given] : [8, 2_000];
        List<(string Name, Func<Task<ISide>> StartAsync)> sides =
        [
            ("own-tracking", () => OwnTracking.StartAsync(options)),
            .. slots.Select<int, (string, Func<Task<ISide>>)>(
                n => (string.Create(CultureInfo.InvariantCulture, $"Jobs, {n:n0} slots"), async () => await JobsUnderTest.StartAsync(options with { Concurrency = n }))),
        ];
        Console.WriteLine($"{rounds} rounds of {rate} jobs/s for {seconds} s each, and as long without jobs");
        Console.WriteLine($"own-tracking  {OwnTracking.About}");
        Console.WriteLine();
        Console.WriteLine($"{"round",-7}{"",-20}{"CPU ms/job",12}{"idle CPU %",12}");
        List<Dictionary<string, Result>> results = [];
        for (var round = 0; round < rounds; round++)
        {
            results.Add([]);
            foreach (var (name, startAsync) in round % 2 == 0 ? sides : Enumerable.Reverse(sides))
            {
                await using var side = await startAsync();
                var result = results[round][name] = await MeasureAsync(side, rate, seconds);
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{round + 1,-7}{name,-20}{result.CpuMilliseconds,12:0.000}{result.IdlePercent,12:0.0}"));
            }
        }

        Console.WriteLine();
        Console.WriteLine($"{"median (min–max)",-20}{"CPU ms/job",24}{"idle CPU %",24}{"CPU / own-tracking",24}");
        foreach (var (name, _) in sides)
        {
            var cpu = Spread.Of(results.Select(r => r[name].CpuMilliseconds)).ToString("0.000");
            var idle = Spread.Of(results.Select(r => r[name].IdlePercent)).ToString("0.0");
            var ratio = Spread.Of(results.Select(r => r[name].CpuMilliseconds / r["own-tracking"].CpuMilliseconds)).ToString("0.00");
            Console.WriteLine($"{name,-20}{cpu,24}{idle,24}{ratio,24}");
        }
    }

    static async Task<Result> MeasureAsync(ISide side, int rate, int seconds)
    {
        const int WarmUp = 500;
        var warm = side.Expect(WarmUp);
        for (var i = 0; i < WarmUp; i++)
        {
            await side.EnqueueAsync();
        }

        await warm;
        await Task.Delay(TimeSpan.FromSeconds(1)); // the JIT compiles again in the background what ran often

        var count = rate * seconds;
        var idle = await CpuAsync(() => Pace.RunAsync(rate, count, () => Task.CompletedTask));
        var busy = await CpuAsync(async () =>
        {
            var done = side.Expect(count);
            await Pace.RunAsync(rate, count, side.EnqueueAsync);
            await done;
        });
        side.StartLatencies.Clear();
        return new((busy - idle).TotalMilliseconds / count, idle.TotalSeconds / seconds * 100);
    }

    static async Task<TimeSpan> CpuAsync(Func<Task> runAsync)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var before = Environment.CpuUsage.TotalTime;
        await runAsync();
        return Environment.CpuUsage.TotalTime - before;
    }
}
