using System.Diagnostics;
using System.Globalization;
using Jobs.Transport;

namespace Jobs.Benchmarks;

/// <summary>
/// What events cost: the same jobs with events off, by default, and all of them, also with a viewer that reads them in
/// this process. Each round has a new host for each side, in alternating order; ratios are taken within a round.
/// </summary>
static class EventCost
{
    static readonly (string Name, EventLevel Events, bool IsViewed)[] sides =
    [
        ("Off", EventLevel.Off, false), ("Default", EventLevel.Default, false), ("All", EventLevel.All, false), ("All, viewed", EventLevel.All, true),
    ];

    public static async Task RunAsync(BenchmarkOptions options)
    {
        var rounds = options.Rounds ?? 10;
        Print($"{rounds} rounds of {options.Jobs:n0} jobs of {options.Body:n0} bytes, {options.Concurrency ?? 16} slots, prefetch {options.Prefetch}");
        Print($"{"round",-7}{"",-14}{"done/s",12}{"CPU µs/job",12}{"bytes/job",12}{"events",12}{"dropped",10}");
        List<Dictionary<string, (double PerSecond, double Cpu, double Bytes)>> results = [];
        for (var round = 0; round <= rounds; round++)
        {
            Dictionary<string, (double, double, double)> ofRound = [];
            foreach (var side in Order(round))
            {
                ofRound[side.Name] = await MeasureAsync(options, side, round);
            }

            if (round > 0) // the first one is the warm-up
            {
                results.Add(ofRound);
            }
        }

        Print($"\n{"median (min–max)",-18}{"done/s",28}{"CPU µs/job",24}{"bytes/job",24}{"done/s to Off",24}{"CPU to Off",24}");
        foreach (var (name, _, _) in sides)
        {
            Console.WriteLine($"{name,-18}{Of(r => r[name].PerSecond, "n0"),28}{Of(r => r[name].Cpu, "n1"),24}{Of(r => r[name].Bytes, "n0"),24}"
                + $"{Of(r => r[name].PerSecond / r["Off"].PerSecond, "0.000"),24}{Of(r => r[name].Cpu / r["Off"].Cpu, "0.000"),24}");
        }

        // Forwards and backwards, and each time from another side on: the one before must not be the same one always.
        static IEnumerable<(string Name, EventLevel Events, bool IsViewed)> Order(int round) =>
            from place in Enumerable.Range(round / 2, sides.Length)
            let side = place % sides.Length
            select sides[round % 2 == 0 ? side : sides.Length - 1 - side];

        string Of(Func<Dictionary<string, (double PerSecond, double Cpu, double Bytes)>, double> value, string format) =>
            Spread.Of(results.Select(value)).ToString(format);
    }

    static async Task<(double PerSecond, double Cpu, double Bytes)> MeasureAsync(
        BenchmarkOptions options, (string Name, EventLevel Events, bool IsViewed) side, int round)
    {
        var directory = options.Sqlite is null ? null : Directory.CreateTempSubdirectory("jobs-bench-");
        try
        {
            var file = directory is null ? null : Path.Combine(directory.FullName, "jobs.db");
            await using var jobs = await JobsUnderTest.StartAsync(options with { Events = side.Events, Sqlite = file });
            await using var viewer = side.IsViewed ? await Viewer.StartAsync(jobs.Transport) : null;
            var warm = jobs.Expect(options.Jobs / 10);
            await jobs.EnqueueManyAsync(options.Jobs / 10);
            await warm;
            GC.Collect();
            GC.WaitForPendingFinalizers();
            var done = jobs.Expect(options.Jobs);
            var (cpu, bytes, start) = (Environment.CpuUsage.TotalTime, GC.GetTotalAllocatedBytes(precise: true), Stopwatch.GetTimestamp());
            await jobs.EnqueueManyAsync(options.Jobs);
            await done;
            var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            var result = (
                options.Jobs / seconds,
                (Environment.CpuUsage.TotalTime - cpu).TotalMicroseconds / options.Jobs,
                (GC.GetTotalAllocatedBytes(precise: true) - bytes) / (double)options.Jobs);
            var dropped = (jobs.Transport.Broadcast?.Dropped ?? 0) + (viewer?.Dropped ?? 0);
            Print($"{(round == 0 ? "warm" : round),-7}{side.Name,-14}{result.Item1,12:n0}{result.Item2,12:n1}{result.Item3,12:n0}{viewer?.Heard,12:n0}{dropped,10:n0}");
            return result;
        }
        finally
        {
            directory?.Delete(recursive: true);
        }
    }

    static void Print(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));

    /// <summary>Hears all events, and forgets them.</summary>
    sealed class Viewer : IAsyncDisposable
    {
        readonly BroadcastSubscription subscription;
        readonly Task reading;

        Viewer(BroadcastSubscription subscription)
        {
            this.subscription = subscription;
            reading = Task.Run(ReadAsync);
        }

        /// <summary>How many messages came, each with many events.</summary>
        public long Heard { get; private set; }

        public long Dropped => subscription.Dropped;

        public static async Task<Viewer> StartAsync(JobTransport transport) => new(await transport.Broadcast!.ListenAsync("#", CancellationToken.None));

        public async ValueTask DisposeAsync()
        {
            await subscription.DisposeAsync();
            await reading;
        }

        async Task ReadAsync()
        {
            while (await subscription.NextAsync(CancellationToken.None) is not null)
            {
                Heard++;
            }
        }
    }
}
