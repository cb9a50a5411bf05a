using System.Diagnostics;
using System.Globalization;

namespace Jobs.Benchmarks;

/// <summary>
/// Enqueue and run N no-op jobs: Jobs and its references in the same run, on the same broker. Each round runs every side, the next round in the opposite order;
/// ratios are taken within a round, so that a slow minute of the machine is on both sides of them.
/// </summary>
static class Throughput
{
    public static async Task RunAsync(BenchmarkOptions options)
    {
        var rounds = options.Rounds ?? 10;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{rounds} rounds of {options.Jobs:n0} jobs of {options.Body:n0} bytes, prefetch {options.Prefetch}, window {options.Window}, {options.Concurrency ?? 16} slots, {Environment.ProcessorCount} processors"));
        List<ISide> sides = [];
        try
        {
            await StartAsync();
            foreach (var side in sides)
            {
                await MeasureAsync(side, Math.Max(1, options.Jobs / 4)); // warm-up: JIT, connections, leaders
            }

            Console.WriteLine();
            Console.WriteLine($"{"round",-7}{"",-16}{string.Concat(ThroughputResult.Columns.Select(c => $"{c.Title,14}"))}");
            List<Dictionary<string, ThroughputResult>> results = [];
            for (var round = 0; round < rounds; round++)
            {
                results.Add([]);
                foreach (var side in round % 2 == 0 ? sides : Enumerable.Reverse(sides))
                {
                    var result = await MeasureAsync(side, options.Jobs);
                    results[round][side.Name] = result;
                    Console.WriteLine($"{round + 1,-7}{side.Name,-16}{string.Concat(ThroughputResult.Columns.Select(c => $"{c.Value(result).ToString(c.Format, CultureInfo.InvariantCulture),14}"))}");
                }
            }

            Summary([.. sides.Select(side => side.Name)], results);
        }
        finally
        {
            foreach (var side in sides)
            {
                await side.DisposeAsync();
            }
        }

        async Task StartAsync()
        {
            if (options.InMemory)
            {
                sides.Add(new ChannelLoop(options));
                Console.WriteLine($"channel-loop     {ChannelLoop.About}");
            }
            else
            {
                sides.Add(await OwnTracking.StartAsync(options));
                Console.WriteLine($"own-tracking     {OwnTracking.About}");
                sides.Add(await ClientTracking.StartAsync(options));
                Console.WriteLine($"client-tracking  {ClientTracking.About}");
            }

            sides.Add(await JobsUnderTest.StartAsync(options));
        }
    }

    static void Summary(List<string> sides, List<Dictionary<string, ThroughputResult>> results)
    {
        Console.WriteLine();
        Console.WriteLine($"{"median (min–max)",-24}{string.Concat(ThroughputResult.Columns.Select(c => $"{c.Title,32}"))}");
        foreach (var side in sides)
        {
            Line(side, (round, c) => c.Value(round[side]), c => c.Format);
        }

        foreach (var reference in sides.Where(side => side != "Jobs"))
        {
            Line($"Jobs / {reference}", (round, c) => c.Value(round["Jobs"]) / c.Value(round[reference]), _ => "0.00");
        }

        void Line(
            string name,
            Func<Dictionary<string, ThroughputResult>, (string, string, Func<ThroughputResult, double> Value), double> value,
            Func<(string, string Format, Func<ThroughputResult, double>), string> format) =>
            Console.WriteLine($"{name,-24}{string.Concat(ThroughputResult.Columns.Select(c => $"{Spread.Of(results.Select(round => value(round, c))).ToString(format(c)),32}"))}");
    }

    static async Task<ThroughputResult> MeasureAsync(ISide side, int count)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var done = side.Expect(count);
        var cpu = Environment.CpuUsage.TotalTime;
        var bytes = GC.GetTotalAllocatedBytes(precise: true);
        var start = Stopwatch.GetTimestamp();
        await side.EnqueueManyAsync(count);
        var enqueued = Stopwatch.GetElapsedTime(start);
        await done;
        var elapsed = Stopwatch.GetElapsedTime(start);
        return new(
            side.Name,
            count / elapsed.TotalSeconds,
            count / enqueued.TotalSeconds,
            (Environment.CpuUsage.TotalTime - cpu).TotalMicroseconds / count,
            (GC.GetTotalAllocatedBytes(precise: true) - bytes) / (double)count);
    }
}
