using System.Text;
using Jobs.Transport;
using Jobs.Wire;
using Xunit;

namespace Jobs.Contracts;

/// <summary>
/// What every transport must do, whatever it is made of. A transport's own test class derives from this one, gives it a
/// harness, and adds nothing else.
/// </summary>
public abstract partial class TransportContract(TransportHarness harness) : IAsyncLifetime
{
    readonly List<JobSubscription> subscriptions = [];

    JobTransport Transport => harness.Transport;

    /// <inheritdoc/>
    public ValueTask InitializeAsync() => harness.StartAsync();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var subscription in subscriptions)
        {
            await subscription.DisposeAsync();
        }

        await harness.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(300_000)]
    public async Task A_body_arrives_byte_for_byte(int length)
    {
        var body = new byte[length];
        new Random(7).NextBytes(body);
        var queue = harness.NewQueue();
        await PublishAsync(queue, TestMessage.Of() with { Body = body });

        var delivery = await NextAsync(await SubscribeAsync(queue));

        Assert.Equal(body, delivery.Message.Body.ToArray());
        Assert.Equal(queue, delivery.Queue);
        Assert.Equal(0, delivery.DeliveryCount);
        await delivery.SettleAsync([]);
    }

    [Fact]
    public async Task Headers_and_properties_arrive_as_they_were_sent()
    {
        var queue = harness.NewQueue();
        var sent = TestMessage.Of(id: "id-ü", headers: ManyHeaders()) with
        {
            ContentType = "application/json",
            ContentEncoding = "utf-8",
            ReplyTo = "reply.queue",
            MessageId = "message-7",
            AppId = "django",
            Type = "a kind",
            Priority = 4,
            Timestamp = 1_900_000_000,
        };
        var expected = sent.Lines();
        await PublishAsync(queue, sent);

        var delivery = await NextAsync(await SubscribeAsync(queue));

        Assert.Equal(expected, Ours(delivery.Message));
        Assert.Equal(sent with { Headers = sent.Headers, Body = default }, delivery.Message with { Headers = sent.Headers, Body = default }, SameProperties);
        await delivery.SettleAsync([]);
    }

    /// <summary>A header that a task reads as a string over one transport must not be bytes over another.</summary>
    [Fact]
    public async Task Text_in_headers_is_a_string_at_every_depth()
    {
        var queue = harness.NewQueue();
        await PublishAsync(queue, TestMessage.Of(headers:
            [("tenant", "ü"), ("headers", new Dictionary<string, object?> { ["tenant"] = "inner" }), ("list", new List<object?> { "a", new Dictionary<string, object?> { ["k"] = "v" } })]));

        var headers = (await NextAsync(await SubscribeAsync(queue))).Message.Headers;

        Assert.Equal("ü", Assert.IsType<string>(headers["tenant"]));
        Assert.Equal("inner", Assert.IsType<string>(Assert.IsType<IDictionary<string, object?>>(headers["headers"], exactMatch: false)["tenant"]));
        var list = Assert.IsType<IList<object?>>(headers["list"], exactMatch: false);
        Assert.Equal("a", Assert.IsType<string>(list[0]));
        Assert.Equal("v", Assert.IsType<string>(Assert.IsType<IDictionary<string, object?>>(list[1], exactMatch: false)["k"]));
    }

    [Fact]
    public async Task Absent_properties_stay_absent()
    {
        var queue = harness.NewQueue();
        await PublishAsync(queue, TestMessage.Of());

        var delivery = await NextAsync(await SubscribeAsync(queue));

        Assert.Null(delivery.Message.Priority);
        Assert.Null(delivery.Message.ReplyTo);
        Assert.Equal((null, null, null), (delivery.Message.MessageId, delivery.Message.AppId, delivery.Message.Type));
        Assert.Equal(0, delivery.Message.Timestamp);
        await delivery.SettleAsync([]);
    }

    [Fact]
    public async Task An_acked_message_is_gone()
    {
        var queue = harness.NewQueue();
        await PublishAsync(queue, TestMessage.Of());
        var subscription = await SubscribeAsync(queue);
        await (await NextAsync(subscription)).SettleAsync([]);
        await subscription.DisposeAsync();

        Assert.Equal(0, await CountAsync(queue));
        await AssertEmptyAsync(queue);
    }

    [Fact]
    public async Task A_message_acked_before_its_run_is_gone()
    {
        var queue = harness.NewQueue();
        await PublishAsync(queue, TestMessage.Of());
        var subscription = await SubscribeAsync(queue);
        var delivery = await NextAsync(subscription);
        Assert.True(await delivery.LeaveEarlyAsync());
        await harness.CrashAsync(subscription);

        await AssertEmptyAsync(queue);
    }

    [Fact]
    public async Task A_released_message_comes_back_with_a_higher_count()
    {
        var queue = harness.NewQueue();
        await PublishAsync(queue, TestMessage.Of(id: "again"));
        var subscription = await SubscribeAsync(queue);

        for (var count = 0; count < 3; count++)
        {
            var delivery = await NextAsync(subscription);
            Assert.Equal("again", delivery.Message.CorrelationId);
            Assert.Equal(count, delivery.DeliveryCount);
            await delivery.ReleaseAsync();
        }
    }

    [Fact]
    public async Task A_delivery_is_settled_at_most_once()
    {
        var queue = harness.NewQueue();
        await PublishAsync(queue, TestMessage.Of(id: "a"));
        var subscription = await SubscribeAsync(queue);

        var first = await NextAsync(subscription);
        Assert.False(first.IsSettled);
        await first.ReleaseAsync();
        Assert.True(first.IsSettled);
        await first.SettleAsync([]);
        await first.LeaveEarlyAsync();
        await first.ReleaseAsync();

        var second = await NextAsync(subscription);
        Assert.Equal("a", second.Message.CorrelationId); // the ack after the release did nothing
        await second.SettleAsync([]);
        await second.ReleaseAsync();
        await second.SettleAsync([]);
        await subscription.DisposeAsync();

        await AssertEmptyAsync(queue); // the releases after the ack did nothing either
    }

    [Fact]
    public async Task A_dead_letter_carries_its_reason_and_the_whole_message()
    {
        var (queue, dead) = (harness.NewQueue(), harness.NewQueue());
        var sent = TestMessage.Of(body: "[[\"x\"],{},{}]", headers: ManyHeaders());
        var expected = sent.Lines();
        await PublishAsync(queue, sent);
        var subscription = await SubscribeAsync(queue);
        var at = new DateTimeOffset(2030, 1, 2, 3, 4, 5, TimeSpan.Zero);
        var delivery = await NextAsync(subscription);
        var written = new DeadLetter { Reason = "It is broken.", At = at, Queue = queue, Attempts = 4 }.Of(new InvalidOperationException("no"));
        await delivery.SettleAsync([new(dead, written.Write(delivery.Message, stamp: 7))]);

        var letter = (await NextAsync(await SubscribeAsync(dead))).Message;

        Assert.Equal(written with { Stack = null }, DeadLetter.Read(letter)! with { Stack = null });
        Assert.Equal("It is broken.", letter.Text(WireHeaders.DeadReason));
        Assert.Equal(queue, letter.Text(WireHeaders.DeadQueue));
        Assert.Equal("2030-01-02T03:04:05.000000+00:00", letter.Text(WireHeaders.DeadAt));
        Assert.Equal(4, letter.Headers[WireHeaders.DeadAttempts]);
        Assert.Equal("System.InvalidOperationException: no", letter.Text(WireHeaders.DeadException));
        Assert.Contains("InvalidOperationException", letter.Text(WireHeaders.DeadStack), StringComparison.Ordinal);
        Assert.Equal("[[\"x\"],{},{}]", Encoding.UTF8.GetString(letter.Body.Span));
        Assert.Equal(expected, Ours(letter).Where(l => !l.StartsWith("x-jobs-dead-", StringComparison.Ordinal)));
        await subscription.DisposeAsync();
        await AssertEmptyAsync(queue);
    }

    [Fact]
    public async Task A_count_is_of_what_has_not_been_handed_out()
    {
        var queue = harness.NewQueue();
        for (var i = 0; i < 3; i++)
        {
            await PublishAsync(queue, TestMessage.Of());
        }

        await Wait.Until(async () => await CountAsync(queue) == 3);
        var subscription = await SubscribeAsync([queue], prefetch: 1);
        await NextAsync(subscription);
        await Wait.Until(async () => await CountAsync(queue) == 2);
    }

    [Fact]
    public async Task A_queue_that_does_not_exist_counts_nothing()
    {
        var queue = harness.NewQueue();

        Assert.Equal(0, await CountAsync(queue));
        Assert.Equal(0, await CountAsync(queue)); // the first call made nothing, and broke nothing
        await PublishAsync(queue, TestMessage.Of());
        await Wait.Until(async () => await CountAsync(queue) == 1);
    }

    [Fact]
    public async Task A_cancelled_publish_says_so()
    {
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            Transport.PublishAsync(new Outgoing(harness.NewQueue(), TestMessage.Of()), Wait.Deadline, cancelled.Token).AsTask());
    }

    static (string, object?)[] ManyHeaders() =>
    [
        ("text", "ü€"), ("int", 7), ("long", long.MaxValue), ("double", 1.5), ("true", true), ("none", null),
        ("timelimit", new List<object?> { null, 30 }),
        ("stamps", new Dictionary<string, object?> { ["deep"] = new Dictionary<string, object?> { ["k"] = "v" } }),
    ];

    /// <summary>
    /// The headers that the sender wrote, without the stamp by which a transport tells one publish from another.
    /// </summary>
    static string[] Ours(JobMessage message) => [.. message.Copy(stamp: 7).Lines().Where(l => !l.StartsWith(WireHeaders.Copy, StringComparison.Ordinal))];

    static bool SameProperties(JobMessage a, JobMessage b) =>
        (a.ContentType, a.ContentEncoding, a.CorrelationId, a.ReplyTo, a.MessageId, a.AppId, a.Type, a.Priority, a.Timestamp)
        == (b.ContentType, b.ContentEncoding, b.CorrelationId, b.ReplyTo, b.MessageId, b.AppId, b.Type, b.Priority, b.Timestamp);

    ValueTask PublishAsync(string queue, JobMessage message, TimeSpan delay = default) =>
        Transport.PublishAsync(new Outgoing(queue, message, delay), Wait.Deadline, TestContext.Current.CancellationToken);

    Task<JobSubscription> SubscribeAsync(string queue) => SubscribeAsync([queue], prefetch: 10);

    async Task<JobSubscription> SubscribeAsync(string[] queues, int prefetch)
    {
        var subscription = await Transport.SubscribeAsync(new() { Queues = queues, Prefetch = prefetch }, TestContext.Current.CancellationToken).Soon();
        subscriptions.Add(subscription);
        return subscription;
    }

    static async Task<Delivery> NextAsync(JobSubscription subscription) =>
        await subscription.NextAsync().Soon() ?? throw new InvalidOperationException("The subscription has ended.");

    Task<long> CountAsync(string queue) => Transport.CountAsync(queue, TestContext.Current.CancellationToken);

    /// <summary>Asserts that the queue is empty, and that nobody holds a message of it.</summary>
    async Task AssertEmptyAsync(string queue)
    {
        var end = TestMessage.Of();
        await PublishAsync(queue, end);
        var delivery = await NextAsync(await SubscribeAsync(queue));
        Assert.Equal(end.CorrelationId, delivery.Message.CorrelationId);
        await delivery.SettleAsync([]);
    }
}
