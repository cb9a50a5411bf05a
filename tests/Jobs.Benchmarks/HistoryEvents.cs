using System.Diagnostics;
using System.Globalization;
using System.Text;
using Jobs.Transport;
using RabbitMQ.Client;

namespace Jobs.Benchmarks;

/// <summary>Fills a history with the events of many jobs, as workers would write them.</summary>
static class HistoryEvents
{
    const int JobsPerEntry = 10; // as a worker batches them

    static readonly TimeSpan span = TimeSpan.FromDays(1); // the jobs of one day; over RabbitMQ the broker's clock counts, and it is as long as the writing takes

    /// <returns>When the first job was, and the ids of all.</returns>
    public static async Task<(DateTimeOffset First, string[] Ids)> WriteAsync(BenchmarkOptions options, JobTransport transport, Clock clock)
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
    public sealed class Clock : TimeProvider
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
