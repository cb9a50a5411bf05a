using System.Text;
using System.Text.Json;
using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Jobs.Contracts;
using Jobs.Transport;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using RabbitMQ.Client;

namespace Jobs.BrokerTests.History;

/// <summary>The stream of the history, when something happens to it. rabbitmq.md §11, Q1.</summary>
public sealed class StreamTests(BrokerFixture brokers) : IAsyncDisposable
{
    const int HistoryOff = 490, HistoryOn = 491;

    static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    readonly Bench bench = new(brokers.Broker);
    readonly string mark = $"{Guid.NewGuid():N}:";

    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    string Stream => $"{bench.Prefix}.history";

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Fact]
    public async Task A_reader_goes_on_after_its_connection_was_cut_without_a_gap_or_a_second_copy()
    {
        var proxy = bench.Proxy();
        var history = History(bench.Host(proxy));
        await history.ExtentAsync(Cancellation);
        await using var reader = history.Read(LogStart.Beginning);
        await SendAsync(0, 250);
        Assert.Equal(Texts(0, 250), await ReadAsync(reader, 250));

        for (var cut = 1; cut <= 3; cut++)
        {
            proxy.RefuseNew();
            proxy.ResetAll();
            await SendAsync(cut * 1000, 300); // nobody reads now
            proxy.AcceptNew();
            Assert.Equal(Texts(cut * 1000, 300), await ReadAsync(reader, 300));
        }

        await SendAsync(9000, 10);
        Assert.Equal(Texts(9000, 10), await ReadAsync(reader, 10));
    }

    [Fact]
    public async Task A_reader_begins_anew_when_the_stream_is_deleted_while_it_reads()
    {
        var history = History(bench.Host(rabbit: o => o.WatchdogInterval = TimeSpan.FromMinutes(10)));
        await history.ExtentAsync(Cancellation);
        await using var reader = history.Read(LogStart.Beginning);
        await SendAsync(0, 100);
        await ReadAsync(reader, 100);

        await DeleteAsync();
        await ExistsAsync();
        await SendAsync(500, 20);

        Assert.Equal(Texts(500, 20), await ReadAsync(reader, 20));
        Assert.Equal(0, bench.Logged(HistoryOff));
    }

    /// <summary>
    /// The trap: a broker would wait silently for an offset that the new stream does not have, and of a new stream that has
    /// grown larger it would give what comes behind that offset.
    /// </summary>
    [Theory]
    [InlineData(20)]
    [InlineData(400)]
    public async Task A_reader_begins_anew_when_the_stream_was_made_anew_while_it_was_away(int entries)
    {
        var proxy = bench.Proxy();
        var history = History(bench.Host(proxy));
        await history.ExtentAsync(Cancellation);
        await using var reader = history.Read(LogStart.Beginning);
        await SendAsync(0, 200);
        await ReadAsync(reader, 200);
        proxy.RefuseNew();
        proxy.ResetAll();

        await DeleteAsync();
        await History(bench.Host()).ExtentAsync(Cancellation); // another process makes it anew
        await SendAsync(1000, entries);
        proxy.AcceptNew();

        Assert.Equal(Texts(1000, entries), await ReadAsync(reader, entries));
        await SendAsync(5000, 5);
        Assert.Equal(Texts(5000, 5), await ReadAsync(reader, 5));
    }

    [Fact]
    public async Task A_stream_that_is_deleted_while_nobody_reads_is_declared_again()
    {
        var history = History(bench.Host(rabbit: o => o.WatchdogInterval = TimeSpan.FromMilliseconds(200)));
        await history.ExtentAsync(Cancellation);

        await DeleteAsync();

        await ExistsAsync();
        await SendAsync(0, 5);
        await using var reader = history.Read(LogStart.Beginning);
        Assert.Equal(Texts(0, 5), await ReadAsync(reader, 5));
    }

    [Fact]
    public async Task A_queue_of_that_name_turns_the_history_off_with_one_line_and_jobs_go_on()
    {
        await using (var channel = await bench.ChannelAsync())
        {
            await channel.QueueDeclareAsync(Stream, durable: true, exclusive: false, autoDelete: false, cancellationToken: Cancellation);
        }

        var task = new ProbeTask();
        var host = await bench.StartedAsync(bench.Host(task: task, rabbit: o => o.WatchdogInterval = TimeSpan.FromMilliseconds(200)));
        var history = History(host);
        await Eventually.BecomesAsync(() => history.Problem is not null, Soon, "the history to be off");
        Assert.Contains(Stream, history.Problem, StringComparison.Ordinal);
        await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job(), Cancellation);
        await bench.HoldsAsync(bench.Queue, 0);
        var page = await host.Services.GetRequiredService<JobInspector>().SearchAsync(new() { Timeout = TimeSpan.FromSeconds(3) }, Cancellation).WaitAsync(Soon, Cancellation);
        Assert.Contains(Stream, page.Problem, StringComparison.Ordinal);
        Assert.Equal(1, bench.Logged(HistoryOff));

        await DeleteAsync();

        await Eventually.BecomesAsync(() => bench.Logged(HistoryOn) == 1, Soon, "the history to be on again");
        Assert.Null(history.Problem);
        await SendAsync(0, 5);
        await using var reader = history.Read(LogStart.Beginning);
        Assert.Equal(Texts(0, 5), await ReadAsync(reader, 5));
        Assert.Equal(1, bench.Logged(HistoryOff));
    }

    [Fact]
    public async Task A_stream_that_was_declared_with_another_size_is_read_as_it_is()
    {
        await History(bench.Host()).ExtentAsync(Cancellation);
        await SendAsync(0, 5);

        var other = History(bench.Host(jobs: o => o.HistoryBytes = 5 << 20));

        await using var reader = other.Read(LogStart.Beginning);
        Assert.Equal(Texts(0, 5), await ReadAsync(reader, 5));
        Assert.Contains("x-max-length-bytes", other.Problem, StringComparison.Ordinal);
        Assert.Contains("HistoryBytes", other.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_worker_declares_the_stream_at_its_start_with_what_the_options_say_and_without_heartbeats()
    {
        await bench.StartedAsync(bench.Host(task: new ProbeTask(), jobs: o => (o.HistoryAge, o.HistoryBytes) = (TimeSpan.FromHours(2), 50 << 20)));
        await ExistsAsync();

        var queue = await brokers.Broker.ManagementAsync($"api/queues/%2F/{Uri.EscapeDataString(Stream)}");
        var arguments = queue.GetProperty("arguments");
        Assert.Equal(
            ("stream", "7200s", 50 << 20, 5 << 20),
            (arguments.GetProperty("x-queue-type").GetString(), arguments.GetProperty("x-max-age").GetString(), arguments.GetProperty("x-max-length-bytes").GetInt64(),
                arguments.GetProperty("x-stream-max-segment-size-bytes").GetInt64()));
        var bindings = await brokers.Broker.ManagementAsync($"api/queues/%2F/{Uri.EscapeDataString(Stream)}/bindings");
        Assert.Equal(
            ["jobs.#", "task.#", "worker.offline", "worker.online"],
            bindings.EnumerateArray().Where(b => b.GetProperty("source").GetString() == "celeryev").Select(b => b.GetProperty("routing_key").GetString()!).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_history_of_no_bytes_declares_nothing_and_says_so()
    {
        var host = await bench.StartedAsync(bench.Host(task: new ProbeTask(), jobs: o => o.HistoryBytes = 0));
        var page = await host.Services.GetRequiredService<JobInspector>().SearchAsync(new(), Cancellation).WaitAsync(Soon, Cancellation);

        Assert.Empty(page.Jobs);
        Assert.Contains("HistoryBytes", page.Problem, StringComparison.Ordinal);
        Assert.Equal(-1, await bench.CountAsync(Stream));
        Assert.Equal(0, bench.Logged(HistoryOff));
    }

    /// <summary>An idle reader must hold nothing unacknowledged: the broker closes the channel of one that does, after its consumer time-out.</summary>
    [Fact]
    public async Task An_idle_reader_has_acknowledged_everything()
    {
        // An exchange of its own: an event of another test would come after the last read, and nobody would read and acknowledge it.
        var exchange = $"{bench.Prefix}.events";
        var history = History(bench.Host(rabbit: o => o.EventExchange = exchange));
        await history.ExtentAsync(Cancellation);
        await using var reader = history.Read(LogStart.Beginning);
        await SendAsync(0, 130, exchange);
        await ReadAsync(reader, 130);
        var waits = reader.NextAsync(Cancellation).AsTask();

        await Eventually.BecomesAsync(async () => await UnackedAsync() == 0, Soon, "all deliveries to be acknowledged");
        Assert.False(waits.IsCompleted);
    }

    // -1 while the management API does not know the reader's channel yet.
    async Task<long> UnackedAsync()
    {
        var queue = await brokers.Broker.ManagementAsync($"api/queues/%2F/{Uri.EscapeDataString(Stream)}");
        var names = queue.TryGetProperty("consumer_details", out var consumers)
            ? consumers.EnumerateArray().Select(consumer => Name(consumer.GetProperty("channel_details"))).ToHashSet()
            : [];
        var unacked = (await brokers.Broker.ManagementAsync("api/channels")).EnumerateArray()
            .Where(channel => names.Contains(Name(channel)) && channel.TryGetProperty("messages_unacknowledged", out _))
            .Select(channel => channel.GetProperty("messages_unacknowledged").GetInt64()).ToArray();
        return unacked is [] ? -1 : unacked.Sum();

        static string? Name(JsonElement channel) => channel.ValueKind == JsonValueKind.Object && channel.TryGetProperty("name", out var name) ? name.GetString() : "none";
    }

    static JobLog History(IHost host) => Bench.Transport(host).History;

    Task SendAsync(int first, int count, string exchange = "celeryev") =>
        bench.SendEventsAsync("task.multi", Texts(first, count).Select(text => (ReadOnlyMemory<byte>)Encoding.UTF8.GetBytes(mark + text)), exchange);

    static string[] Texts(int first, int count) => [.. Enumerable.Range(first, count).Select(i => $"{i}")];

    // Other tests send events too.
    async Task<string[]> ReadAsync(LogReader reader, int count)
    {
        var ours = new List<string>();
        while (ours.Count < count)
        {
            ours.AddRange((await reader.NextAsync(Cancellation).Soon())
                .Select(entry => Encoding.UTF8.GetString(entry.Bytes.Span)).Where(text => text.StartsWith(mark, StringComparison.Ordinal)).Select(text => text[mark.Length..]));
        }

        return [.. ours];
    }

    async Task DeleteAsync()
    {
        await using var channel = await bench.ChannelAsync();
        await channel.QueueDeleteAsync(Stream, false, false, cancellationToken: Cancellation);
    }

    // With its bindings: an event that comes before them is not kept.
    Task ExistsAsync() => Eventually.BecomesAsync(
        async () => await bench.CountAsync(Stream) >= 0
            && (await brokers.Broker.ManagementAsync($"api/queues/%2F/{Uri.EscapeDataString(Stream)}/bindings")).EnumerateArray().Count(b => b.GetProperty("source").GetString() == "celeryev") == 4,
        Soon,
        "the stream to be declared");
}
