using Jobs.Transport;
using Xunit;

namespace Jobs.Contracts;

/// <summary>Messages that are dropped while another one of their id is pending, where the transport can tell.</summary>
public abstract partial class TransportContract
{
    [Fact]
    public async Task Two_publishes_of_one_id_are_two_messages()
    {
        var queue = harness.NewQueue();
        var (once, end) = (NewId(), NewId());
        await PublishUnlessPendingAsync(queue, once);
        await PublishAsync(queue, TestMessage.Of(once));
        await PublishAsync(queue, TestMessage.Of(once));
        await PublishUnlessPendingAsync(queue, end);

        Assert.Equal([once, once, once, end], await IdsAsync(queue, end));
    }

    [Fact]
    public async Task A_message_of_a_pending_id_is_dropped_only_where_the_transport_can()
    {
        var queue = harness.NewQueue();
        var (once, end) = (NewId(), NewId());
        await PublishUnlessPendingAsync(queue, once);
        await PublishUnlessPendingAsync(queue, once);
        await PublishAsync(queue, TestMessage.Of(end));

        Assert.Equal(CanTellPending ? [once, end] : [once, once, end], await IdsAsync(queue, end));
    }

    [Fact]
    public async Task An_id_is_pending_until_the_last_attempt_of_its_message_is_settled()
    {
        var (queue, dead) = (harness.NewQueue(), harness.NewQueue());
        var id = NewId();
        if (!CanTellPending)
        {
            await AssertBothArriveAsync(queue, id, harness.ShortDelay);
            return;
        }

        await PublishUnlessPendingAsync(queue, id, harness.ShortDelay);
        await PublishUnlessPendingAsync(queue, id); // one that is delayed is pending
        Assert.Equal(0, await CountAsync(queue));
        var subscription = await SubscribeAsync([queue], prefetch: 1); // so that a second message would be counted
        await harness.PassAsync(harness.ShortDelay);
        var first = await NextAsync(subscription);

        await PublishUnlessPendingAsync(queue, id); // one that runs
        Assert.Equal(0, await CountAsync(queue));
        await first.ReleaseAsync();
        var second = await NextAsync(subscription);
        await PublishUnlessPendingAsync(queue, id); // one that was given back
        await harness.CrashAsync(subscription);
        await PublishUnlessPendingAsync(queue, id); // one whose worker died

        var heir = await SubscribeAsync([queue], prefetch: 1);
        var third = await NextAsync(heir);
        Assert.Equal(2, third.DeliveryCount);
        await third.SettleAsync([new(queue, TestMessage.Of(id, body: "[[1],{},{}]"))]);
        await PublishUnlessPendingAsync(queue, id); // one that is retried
        var last = await NextAsync(heir);
        Assert.Equal("[[1],{},{}]"u8, last.Message.Body.Span);
        Assert.Equal(0, await CountAsync(queue));

        await last.SettleAsync([new(dead, TestMessage.Of(id))]); // a dead letter is no attempt
        await PublishUnlessPendingAsync(queue, id);
        Assert.Equal((id, 0), ((await NextAsync(heir)).Message.CorrelationId, last.DeliveryCount));
        Assert.Equal(1, await CountAsync(dead));
    }

    [Fact]
    public async Task An_id_is_free_when_its_message_was_acknowledged_early()
    {
        var queue = harness.NewQueue();
        var id = NewId();
        if (!CanTellPending)
        {
            await AssertBothArriveAsync(queue, id);
            return;
        }

        await PublishUnlessPendingAsync(queue, id);
        var subscription = await SubscribeAsync([queue], prefetch: 2);
        var first = await NextAsync(subscription);
        Assert.True(await first.LeaveEarlyAsync());

        await PublishUnlessPendingAsync(queue, id);
        var second = await NextAsync(subscription);
        await first.SettleAsync([new(queue, TestMessage.Of(id))]); // its next attempt is a message like any other
        var third = await NextAsync(subscription);
        await PublishUnlessPendingAsync(queue, id); // the second one still runs
        Assert.Equal(0, await CountAsync(queue));
        await third.SettleAsync([]);
        await second.SettleAsync([]);
        await PublishUnlessPendingAsync(queue, id);
        Assert.Equal(id, (await NextAsync(subscription)).Message.CorrelationId);
    }

    // What a transport does that cannot tell which ids are pending.
    async Task AssertBothArriveAsync(string queue, string id, TimeSpan delay = default)
    {
        await PublishUnlessPendingAsync(queue, id, delay);
        await PublishUnlessPendingAsync(queue, id);
        var subscription = await SubscribeAsync(queue);
        Assert.Equal(id, (await NextAsync(subscription)).Message.CorrelationId);
        await harness.PassAsync(delay);
        Assert.Equal(id, (await NextAsync(subscription)).Message.CorrelationId);
    }

    bool CanTellPending => Transport.Capabilities.HasFlag(TransportCapabilities.UnlessPending);

    static string NewId() => Guid.NewGuid().ToString();

    async Task PublishUnlessPendingAsync(string queue, string id, TimeSpan delay = default) => await Transport.PublishAsync(
        new Outgoing(queue, TestMessage.Of(id), delay) { UnlessPending = true }, Wait.Deadline, TestContext.Current.CancellationToken);

    /// <summary>The ids of all messages of a queue, the last one's included.</summary>
    async Task<List<string?>> IdsAsync(string queue, string last)
    {
        var subscription = await SubscribeAsync(queue);
        var ids = new List<string?>();
        do
        {
            var delivery = await NextAsync(subscription);
            ids.Add(delivery.Message.CorrelationId);
            await delivery.SettleAsync([]);
        }
        while (ids[^1] != last);
        return ids;
    }
}
