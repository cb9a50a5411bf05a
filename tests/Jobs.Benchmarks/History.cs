using System.Diagnostics;
using System.Globalization;
using Jobs.Inspection;
using Jobs.RabbitMQ;
using Jobs.Sqlite;
using Jobs.Transport;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Jobs.Benchmarks;

/// <summary>
/// What the history costs a process that asks: a log with the events of many jobs, the first question, reads within the index, and a search beyond it.
/// </summary>
static class History
{
    const int Reads = 200;

    public static async Task RunAsync(BenchmarkOptions options)
    {
        var directory = Directory.CreateTempSubdirectory("jobs-bench-");
        var clock = new HistoryEvents.Clock();
        try
        {
            await using var transport = Transport(options, clock, directory.FullName);
            var (first, ids) = await HistoryEvents.WriteAsync(options, transport, clock);
            clock.Offset = TimeSpan.Zero;
            await ReadAsync(transport, clock, ids, first);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    static JobTransport Transport(BenchmarkOptions options, HistoryEvents.Clock clock, string directory)
    {
        var jobs = new JobsOptions();
        return options switch
        {
            { InMemory: true } => new InMemoryTransport(clock, options: jobs),
            { Sqlite: { } file } => new SqliteTransport(
                Options.Create(new SqliteOptions { File = file.Length > 0 ? file : Path.Combine(directory, "history.db") }), clock, NullLogger<SqliteTransport>.Instance,
                Options.Create(jobs)),
            _ => new RabbitMqTransport(
                Options.Create(new RabbitMqOptions { Uri = options.Broker, Prefix = JobsUnderTest.Prefix }), Options.Create(jobs), TimeProvider.System,
                NullLogger<RabbitMqTransport>.Instance, new()),
        };
    }

    static async Task ReadAsync(JobTransport transport, HistoryEvents.Clock clock, string[] ids, DateTimeOffset first)
    {
        var random = new Random(3);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        await using var inspector = new Inspector(transport, clock, NullLogger<Inspector>.Instance);
        var start = Stopwatch.GetTimestamp();
        while (!await inspector.History.ReadyAsync(TimeSpan.FromSeconds(60), CancellationToken.None))
        {
        }

        var ready = Stopwatch.GetElapsedTime(start);
        var memory = GC.GetTotalMemory(forceFullCollection: true) - before;
        var known = inspector.History.Jobs.Count;
        Print($"first question answered after {ready.TotalSeconds:0.00} s; {known:n0} jobs in {memory / 1e6:0} MB, {memory / known:n0} bytes a job; estimated {inspector.History.Jobs.Bytes / 1e6:0} MB");

        await TimeAsync("a job by its id", () => inspector.GetJobAsync(ids[^random.Next(1, known)]));
        await TimeAsync("the newest page", () => inspector.SearchAsync(new()));
        await TimeAsync("a page of dead jobs", () => inspector.SearchAsync(new() { States = [JobState.Dead] }));
        await TimeAsync("a page of one task", () => inspector.SearchAsync(new() { Task = "bench.task7" }));
        await TimeAsync("one job by its argument", () => inspector.SearchAsync(new() { ArgumentText = $"number {ids.Length - random.Next(1, known)}'", PageSize = 1 }));
        await TimeAsync("a page by error text", () => inspector.SearchAsync(new() { ErrorText = "too slow" }));
        await TimeAsync("failures by kind", () => inspector.FailuresAsync(new()));
        await TimeAsync("workers", () => inspector.WorkersAsync());

        var extent = await transport.History.ExtentAsync(CancellationToken.None);
        await using (var reader = transport.History.Read(LogStart.Beginning))
        {
            Print($"the log has the positions {extent.First:n0} to {extent.Next - 1:n0}, and its first entry is of {(await reader.NextAsync(CancellationToken.None))[0].Time:HH:mm:ss}");
        }

        await TimeAsync("an older job by its id", () => inspector.GetJobAsync(ids[random.Next(ids.Length / 4, ids.Length / 2)]), 20);
        foreach (var ago in new[] { 0.5, 0.1 })
        {
            await DeepAsync(inspector, (int)(ids.Length * ago), first);
        }
    }

    static async Task DeepAsync(Inspector inspector, int number, DateTimeOffset first)
    {
        var (pages, slowest, start, cursor, found) = (0, TimeSpan.Zero, Stopwatch.GetTimestamp(), (string?)null, 0);
        JobPage page;
        do
        {
            var began = Stopwatch.GetTimestamp();
            page = await inspector.SearchAsync(new() { ArgumentText = $"number {number}'", PageSize = 1, Cursor = cursor });
            var took = Stopwatch.GetElapsedTime(began);
            slowest = took > slowest ? took : slowest;
            (cursor, found) = (page.Next, found + page.Jobs.Count);
            if (++pages <= 3)
            {
                Print($"  page {pages}: {page.Jobs.Count} found, searched back to {page.SearchedBackTo:MM-dd HH:mm:ss.f} (the first job is of {first:MM-dd HH:mm:ss.f}), {took.TotalMilliseconds:n0} ms");
            }
        }
        while (found == 0 && cursor is not null && pages < 1000);

        Print($"one job by its argument, job {number:n0} of all: {found} found after {pages} pages, {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s, the slowest page {slowest.TotalSeconds:0.0} s");
    }

    static async Task TimeAsync<T>(string what, Func<Task<T>> read, int count = Reads)
    {
        var times = new double[count];
        for (var i = 0; i < count; i++)
        {
            var start = Stopwatch.GetTimestamp();
            await read();
            times[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }

        Array.Sort(times);
        Print($"{what,-26} p50 {times[count / 2]:0.00} ms, p99 {times[(int)(count * 0.99)]:0.00} ms, worst {times[^1]:0.00} ms");
    }

    static void Print(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
