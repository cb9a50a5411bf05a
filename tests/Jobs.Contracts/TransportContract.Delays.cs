using System.Text;
using Jobs.Transport;
using Jobs.Wire;
using Xunit;

namespace Jobs.Contracts;

public abstract partial class TransportContract
{
    [Fact]
    public async Task A_delayed_message_comes_after_its_delay_and_not_before()
    {
        var queue = harness.NewQueue();
        var subscription = await SubscribeAsync(queue);
        var sent = harness.Clock.GetTimestamp();
        await PublishAsync(queue, TestMessage.Of(id: "later"), harness.ShortDelay);
        var arrival = ArrivalAsync(subscription);
        await PublishAsync(queue, TestMessage.Of(id: "at once"));
        Assert.Equal("at once", (await arrival.Soon()).Delivery.Message.CorrelationId);

        arrival = ArrivalAsync(subscription);
        await harness.PassAsync(harness.ShortDelay * 0.75);
        await harness.SettleDownAsync();
        Assert.False(arrival.IsCompleted && harness.Clock.GetElapsedTime(sent) < harness.ShortDelay, "It came early.");
        await harness.PassAsync(harness.ShortDelay * 0.25);

        var (delivery, at) = await arrival.Soon();
        Assert.Equal("later", delivery.Message.CorrelationId);
        Assert.True(harness.Clock.GetElapsedTime(sent, at) >= harness.ShortDelay - harness.Tolerance, "It came early.");
    }

    [Fact]
    public async Task A_negative_delay_is_none()
    {
        var queue = harness.NewQueue();
        await PublishAsync(queue, TestMessage.Of(), TimeSpan.FromSeconds(-5));
        await NextAsync(await SubscribeAsync(queue));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_retry_copy_comes_back_and_the_original_is_gone(bool delayed)
    {
        var queue = harness.NewQueue();
        await PublishAsync(queue, TestMessage.Of(id: "r", body: "[[1],{},{}]"));
        var subscription = await SubscribeAsync(queue);
        var first = await NextAsync(subscription);
        var next = first.Message.Copy(stamp: 7);
        next.Headers[WireHeaders.Retries] = 1;
        await first.SettleAsync([new(queue, next, delayed ? harness.ShortDelay : TimeSpan.Zero)]);
        Assert.True(first.IsSettled);
        if (delayed)
        {
            await harness.PassAsync(harness.ShortDelay);
        }

        var second = await NextAsync(subscription);
        Assert.Equal("r", second.Message.CorrelationId);
        Assert.Equal("[[1],{},{}]", Encoding.UTF8.GetString(second.Message.Body.Span));
        Assert.Equal(1, second.Message.Headers[WireHeaders.Retries]);
        Assert.Equal(0, second.DeliveryCount);
        await second.SettleAsync([]);
        await subscription.DisposeAsync();
        await AssertEmptyAsync(queue);
    }

    [Fact]
    public async Task Unknown_headers_survive_a_retry_and_what_the_broker_added_does_not()
    {
        var queue = harness.NewQueue();
        var sent = TestMessage.Of(headers: ManyHeaders()) with { MessageId = "message-7", AppId = "django", Type = "a kind" };
        var expected = sent.Lines();
        sent.Headers["x-death"] = new List<object?> { new Dictionary<string, object?> { ["queue"] = "q", ["count"] = 3L } };
        sent.Headers["x-first-death-queue"] = "q";
        sent.Headers["x-last-death-reason"] = "expired";
        sent.Headers[WireHeaders.Deliveries] = 2;
        await PublishAsync(queue, sent);
        var subscription = await SubscribeAsync(queue);
        var first = await NextAsync(subscription);
        await first.SettleAsync([new(queue, first.Message.Copy(stamp: 7))]);

        var second = await NextAsync(subscription);

        Assert.Equal(expected, second.Message.Lines(without: ["x-delivery-count"]));
        Assert.Equal(sent with { Headers = second.Message.Headers, Body = default }, second.Message with { Body = default }, SameProperties);
        Assert.Equal(0, second.DeliveryCount); // a new attempt is no suspect because of the last one
    }

    [Fact]
    public async Task Urgent_messages_overtake_only_where_the_transport_can()
    {
        var queue = harness.NewQueue();
        // 4 and not 9: RabbitMQ 4 lets 5 to 9 overtake in any quorum queue, and 3.10 does not. Up to 4, both keep the
        // order.
        foreach (var (id, priority) in new (string, byte?)[] { ("first", null), ("second", 0), ("urgent", 4), ("third", null) })
        {
            await PublishAsync(queue, TestMessage.Of(id: id, priority: priority));
        }

        var subscription = await SubscribeAsync([queue], prefetch: 1);
        var order = new List<string?>();
        for (var i = 0; i < 4; i++)
        {
            var delivery = await NextAsync(subscription);
            order.Add(delivery.Message.CorrelationId);
            await delivery.SettleAsync([]);
        }

        Assert.Equal(
            Transport.Capabilities.HasFlag(TransportCapabilities.Priorities) ? ["urgent", "first", "second", "third"] : ["first", "second", "urgent", "third"],
            order);
    }

    async Task<(Delivery Delivery, long At)> ArrivalAsync(JobSubscription subscription)
    {
        var delivery = await NextAsync(subscription);
        return (delivery, harness.Clock.GetTimestamp());
    }
}
