using System.Diagnostics;
using System.Globalization;
using System.Text;
using Jobs.Inspection;
using Jobs.RabbitMQ;
using Jobs.Sqlite;
using Jobs.Transport;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;

namespace Jobs.Benchmarks;

/// <summary>
/// What the history costs a process that asks: a log with the events of many jobs, the first question, reads within the index, and a search beyond it.
/// </summary>
static class History
{
    const int JobsPerEntry = 10; // as a worker batches them
    const int Reads = 200;

    static readonly TimeSpan span = TimeSpan.FromDays(1); // the jobs of one day; over RabbitMQ the broker's clock counts, and it is as long as the writing takes

    public static async Task RunAsync(BenchmarkOptions options)
    {
        var directory = Directory.CreateTempSubdirectory("jobs-bench-");
        var clock = new Clock();
        try
        {
            await using var transport = Transport(options, clock, directory.FullName);
            var (first, ids) = await WriteAsync(options, transport, clock);
            clock.Offset = TimeSpan.Zero;
            await ReadAsync(transport, clock, ids, first);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    static JobTransport Transport(BenchmarkOptions options, Clock clock, string directory)
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

    /// <returns>When the first job was, and the ids of all.</returns>
    static async Task<(DateTimeOffset First, string[] Ids)> WriteAsync(BenchmarkOptions options, JobTransport transport, Clock clock)
    {
        var start = Stopwatch.GetTimestamp();
        var (ids, bytes, first) = (new string[options.Jobs], 0L, DateTimeOffset.MaxValue);
        await using var broker = options is { InMemory: false, Sqlite: null } ? await Publisher.OpenAsync(options.Broker, transport) : null;
        for (var i = 0; i < options.Jobs; i += JobsPerEntry)
        {
            clock.Offset = broker is null ? (span * ((double)i / options.Jobs)) - span : TimeSpan.Zero;
            var now = clock.GetUtcNow();
            first = now < first ? now : first;
            var entry = Entry(ids, i, Math.Min(JobsPerEntry, options.Jobs - i), now);
            bytes += entry.Length;
            if (broker is not null)
            {
                await broker.SendAsync(entry);
            }
            else
            {
                await transport.History.AppendAsync([entry], CancellationToken.None);
                if (i % (JobsPerEntry * 100) == 0)
                {
                    await transport.CountAsync("none", CancellationToken.None); // or the log would drop what it cannot write in time
                }
            }
        }

        if (broker is not null)
        {
            await broker.ConfirmedAsync();
        }

        await transport.CountAsync("none", CancellationToken.None);
        var took = Stopwatch.GetElapsedTime(start);
        Print($"wrote the events of {options.Jobs:n0} jobs, {JobsPerEntry} jobs an entry, {bytes / 1e6:n0} MB, in {took.TotalSeconds:0.0} s; {transport.History.Dropped} dropped");
        return (first, ids);
    }

    static async Task ReadAsync(JobTransport transport, Clock clock, string[] ids, DateTimeOffset first)
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

    static ReadOnlyMemory<byte> Entry(string[] ids, int from, int count, DateTimeOffset now)
    {
        var text = new StringBuilder("[");
        for (var i = from; i < from + count; i++)
        {
            var id = ids[i] = Guid.CreateVersion7(now).ToString();
            var at = now.ToUnixTimeMilliseconds() / 1000.0;
            var common = string.Create(CultureInfo.InvariantCulture, $"\"hostname\":\"jobs-{i % 5}@bench\",\"pid\":{1000 + (i % 5)},\"clock\":{i},\"uuid\":\"{id}\"");
            text.Append(i == from ? "" : ",").Append(CultureInfo.InvariantCulture, $$"""
                {{{common}},"name":"bench.task{{i % 20}}","args":"('this is number {{i}}', {'some': 'options', 'of': [1, 2, 3]})","kwargs":"{}","root_id":"{{id}}","parent_id":null,"retries":0,"eta":null,"expires":null,"queue":"bench","timestamp":{{at}},"type":"task-received"},{{{common}},"timestamp":{{at + 0.001}},"type":"task-started"},{{{common}},{{(i % 100 == 0
                    ? "\"exception\":\"TimeoutException('too slow')\",\"traceback\":\"System.TimeoutException: too slow\\n   at Bench.Tasks.Run" + (i % 700) + "()\\n   at Jobs.Executor.RunAsync()\",\"type\":\"task-failed\""
                    : "\"result\":\"'done'\",\"runtime\":0.0125,\"type\":\"task-succeeded\"")}},"timestamp":{{at + 0.014}}}
                """);
        }

        return Encoding.UTF8.GetBytes(text.Append(']').ToString());
    }

    static void Print(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));

    /// <summary>Now, set back by some time.</summary>
    sealed class Clock : TimeProvider
    {
        public TimeSpan Offset { get; set; }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Offset;
    }

    /// <summary>Publishes events as workers do, with confirms.</summary>
    sealed class Publisher(IConnection connection, IChannel channel) : IAsyncDisposable
    {
        readonly Queue<Task> unconfirmed = new();

        public static async Task<Publisher> OpenAsync(string uri, JobTransport transport)
        {
            await transport.History.ExtentAsync(CancellationToken.None); // declares the stream
            var connection = await new ConnectionFactory { Uri = new(uri) }.CreateConnectionAsync();
            return new(connection, await connection.CreateChannelAsync(new CreateChannelOptions(true, true)));
        }

        public async Task SendAsync(ReadOnlyMemory<byte> entry)
        {
            unconfirmed.Enqueue(channel.BasicPublishAsync("celeryev", "task.multi", false, new BasicProperties(), entry).AsTask());
            if (unconfirmed.Count > 100)
            {
                await unconfirmed.Dequeue();
            }
        }

        public Task ConfirmedAsync() => Task.WhenAll(unconfirmed);

        public async ValueTask DisposeAsync()
        {
            await channel.DisposeAsync();
            await connection.DisposeAsync();
        }
    }
}
