using System.Diagnostics;
using System.Globalization;

namespace Jobs.Benchmarks;

/// <summary>
/// Jobs over SQLite against the raw statements of the same durable work, in the same run and on the same disk: enqueues
/// from a number of callers at once, many in one call, and end to end.
/// </summary>
static class SqliteThroughput
{
    public static async Task RunAsync(BenchmarkOptions options)
    {
        var rounds = options.Rounds ?? 5;
        var directory = Directory.CreateTempSubdirectory("jobs-bench-");
        try
        {
            Print($"{rounds} rounds of {options.Jobs:n0} jobs of {options.Body:n0} bytes, {options.Concurrency ?? 16} slots, prefetch {options.Prefetch}, {Environment.ProcessorCount} processors");
            Print($"raw  {RawSqlite.About}");
            Print($"the disk: {SyncsPerSecond(directory.FullName):n0} fsyncs/s of 4 KiB");
            Print($"\n{"",-22}{"Jobs/s",28}{"raw/s",28}{"ratio",22}{"CPU µs",10}{"bytes",10}");
            foreach (var callers in new[] { 1, 16, 64, 512 })
            {
                var count = callers == 1 ? Math.Max(1000, options.Jobs / 20) : options.Jobs;
                await CompareAsync($"{callers} callers", count, jobs => jobs.FromCallersAsync(callers, count), raw => raw.Insert(count, callers), worker: false);
            }

            await CompareAsync("EnqueueMany", options.Jobs, jobs => jobs.Side.EnqueueManyAsync(options.Jobs), raw => raw.Insert(options.Jobs, 512), worker: false);
            await CompareAsync("end to end", options.Jobs, jobs => jobs.EndToEndAsync(options.Jobs), raw => { raw.Insert(options.Jobs, 512); raw.Drain(512); }, worker: true);
            await CompareAsync(
                "with results", options.Jobs / 4, jobs => jobs.Side.CallManyAsync(options.Jobs / 4), raw => { raw.Insert(options.Jobs / 4, 512); raw.Drain(512, results: true); },
                worker: true);
            await ComposeAsync();
        }
        finally
        {
            directory.Delete(recursive: true);
        }

        // Against the same three jobs, each enqueued by the one before it.
        async Task ComposeAsync()
        {
            var chains = options.Jobs / 12;
            List<(double Chain, double Hand)> rates = [];
            for (var round = 0; round <= rounds; round++)
            {
                var rate = (await ChainsAsync(side => side.EnqueueChainAsync()), await ChainsAsync(side => side.EnqueueByHandAsync()));
                if (round > 0)
                {
                    rates.Add(rate);
                }
            }

            Print($"\n{"",-22}{"chains/s",28}{"by hand/s",28}{"ratio",22}");
            Print($"{"chains of three",-22}{Spread.Of(rates.Select(r => r.Chain)).ToString("n0"),28}{Spread.Of(rates.Select(r => r.Hand)).ToString("n0"),28}"
                + $"{Spread.Of(rates.Select(r => r.Chain / r.Hand)).ToString("0.00"),22}");

            async Task<double> ChainsAsync(Func<JobsUnderTest, Task> enqueue)
            {
                var file = Path.Combine(directory.FullName, $"{Guid.NewGuid():N}.db");
                await using var run = await Run.StartAsync(options, file, worker: true);
                var done = run.Side.Expect(chains);
                var start = Stopwatch.GetTimestamp();
                await run.FromCallersAsync(64, chains, enqueue);
                await done;
                return chains / Stopwatch.GetElapsedTime(start).TotalSeconds;
            }
        }

        async Task CompareAsync(string what, int count, Func<Run, Task> jobs, Action<RawSqlite> raw, bool worker)
        {
            List<(double Jobs, double Raw, double Cpu, double Bytes)> results = [];
            for (var round = 0; round <= rounds; round++)
            {
                var file = Path.Combine(directory.FullName, $"{Guid.NewGuid():N}.db");
                var rawFirst = round % 2 == 1;
                var ofRaw = rawFirst ? Raw() : 0;
                await using var run = await Run.StartAsync(options, file, worker);
                GC.Collect();
                var (cpu, bytes, start) = (Environment.CpuUsage.TotalTime, GC.GetTotalAllocatedBytes(precise: true), Stopwatch.GetTimestamp());
                await jobs(run);
                var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
                var (cpuAfter, bytesAfter) = (Environment.CpuUsage.TotalTime, GC.GetTotalAllocatedBytes(precise: true));
                ofRaw = rawFirst ? ofRaw : Raw();
                if (round > 0) // the first one is the warm-up
                {
                    results.Add((count / seconds, ofRaw, (cpuAfter - cpu).TotalMicroseconds / count, (bytesAfter - bytes) / (double)count));
                }
            }

            Print($"{what,-22}{Of(r => r.Jobs, "n0"),28}{Of(r => r.Raw, "n0"),28}{Of(r => r.Jobs / r.Raw, "0.00"),22}"
                + $"{Spread.Of(results.Select(r => r.Cpu)).Median,10:0.0}{Spread.Of(results.Select(r => r.Bytes)).Median,10:n0}");

            double Raw()
            {
                using var side = new RawSqlite(Path.Combine(directory.FullName, $"{Guid.NewGuid():N}.raw"), options);
                var start = Stopwatch.GetTimestamp();
                raw(side);
                return count / Stopwatch.GetElapsedTime(start).TotalSeconds;
            }

            string Of(Func<(double Jobs, double Raw, double Cpu, double Bytes), double> value, string format) => Spread.Of(results.Select(value)).ToString(format);
        }
    }

    static double SyncsPerSecond(string directory)
    {
        using var file = new FileStream(Path.Combine(directory, "sync"), FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        var block = new byte[4096];
        var (count, start) = (0, Stopwatch.GetTimestamp());
        while (Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(1))
        {
            file.Position = 0;
            file.Write(block);
            file.Flush(flushToDisk: true);
            count++;
        }

        return count / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    static void Print(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));

    static void Print(string line) => Console.WriteLine(line);

    sealed class Run(JobsUnderTest side) : IAsyncDisposable
    {
        public JobsUnderTest Side => side;

        public static async Task<Run> StartAsync(BenchmarkOptions options, string file, bool worker) =>
            new(await JobsUnderTest.StartAsync(options with { Sqlite = file }, worker));

        public Task FromCallersAsync(int callers, int count) => FromCallersAsync(callers, count, static side => side.EnqueueAsync());

        public Task FromCallersAsync(int callers, int count, Func<JobsUnderTest, Task> enqueue)
        {
            var left = count;
            return Task.WhenAll(Enumerable.Range(0, callers).Select(_ => Task.Run(async () =>
            {
                while (Interlocked.Decrement(ref left) >= 0)
                {
                    await enqueue(side);
                }
            })));
        }

        public async Task EndToEndAsync(int count)
        {
            var done = side.Expect(count);
            await side.EnqueueManyAsync(count);
            await done;
        }

        public ValueTask DisposeAsync() => side.DisposeAsync();
    }
}
