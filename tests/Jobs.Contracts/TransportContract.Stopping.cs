using Jobs.Transport;
using Xunit;

namespace Jobs.Contracts;

public abstract partial class TransportContract
{
    [Fact]
    public async Task No_more_than_the_prefetch_is_unsettled()
    {
        const int Prefetch = 3;
        var queue = harness.NewQueue();
        for (var i = 0; i < 10; i++)
        {
            await PublishAsync(queue, TestMessage.Of());
        }

        var subscription = await SubscribeAsync([queue], Prefetch);
        var inHand = new Queue<Delivery>();
        for (var i = 0; i < Prefetch; i++)
        {
            inHand.Enqueue(await NextAsync(subscription));
        }

        for (var i = Prefetch; i < 10; i++)
        {
            var next = NextAsync(subscription);
            if (i < Prefetch + 2)
            {
                await harness.QuietAsync();
                Assert.False(next.IsCompleted, "More than the prefetch was handed out.");
            }

            await inHand.Dequeue().SettleAsync([]);
            inHand.Enqueue(await next);
        }
    }

    [Fact]
    public async Task One_subscription_takes_from_any_number_of_queues()
    {
        var queues = Enumerable.Range(0, 5).Select(_ => harness.NewQueue()).ToArray();
        var subscription = await SubscribeAsync(queues, prefetch: 1);
        foreach (var queue in queues)
        {
            await PublishAsync(queue, TestMessage.Of(id: queue));
        }

        var seen = new HashSet<string>();
        foreach (var _ in queues)
        {
            var delivery = await NextAsync(subscription);
            Assert.Equal(delivery.Message.CorrelationId, delivery.Queue);
            Assert.True(seen.Add(delivery.Queue));
            await delivery.SettleAsync([]);
        }
    }

    [Fact]
    public async Task Any_number_of_callers_wait_and_each_message_goes_to_one()
    {
        var queue = harness.NewQueue();
        var subscription = await SubscribeAsync(queue);
        var waiting = Enumerable.Range(0, 4).Select(_ => NextAsync(subscription)).ToArray();
        for (var i = 0; i < waiting.Length; i++)
        {
            await PublishAsync(queue, TestMessage.Of());
        }

        var deliveries = await Task.WhenAll(waiting).Soon();
        Assert.Equal(waiting.Length, deliveries.Select(d => d.Message.CorrelationId).Distinct().Count());
    }

    [Fact]
    public async Task After_a_stop_what_has_not_started_is_free_and_what_is_in_hand_can_be_settled()
    {
        var queue = harness.NewQueue();
        for (var i = 0; i < 5; i++)
        {
            await PublishAsync(queue, TestMessage.Of(id: $"{i}"));
        }

        var stopping = await SubscribeAsync([queue], prefetch: 5);
        var inHand = await NextAsync(stopping);
        await stopping.StopAsync(TestContext.Current.CancellationToken).Soon();
        Assert.Null(await stopping.NextAsync().Soon());

        var other = await SubscribeAsync([queue], prefetch: 5);
        var seen = new HashSet<string?>();
        for (var i = 0; i < 4; i++)
        {
            var delivery = await NextAsync(other);
            seen.Add(delivery.Message.CorrelationId);
            await delivery.SettleAsync([]);
        }

        Assert.Equal(["1", "2", "3", "4"], seen.Order());
        await inHand.SettleAsync([]);
        await stopping.DisposeAsync();
        await other.DisposeAsync();
        await AssertEmptyAsync(queue);
    }

    [Fact]
    public async Task A_stop_ends_the_wait_of_every_caller()
    {
        var subscription = await SubscribeAsync(harness.NewQueue());
        var waiting = Enumerable.Range(0, 3).Select(_ => subscription.NextAsync().AsTask()).ToArray();
        await subscription.StopAsync(TestContext.Current.CancellationToken).Soon();
        Assert.All(await Task.WhenAll(waiting).Soon(), Assert.Null);
        await subscription.StopAsync(TestContext.Current.CancellationToken).Soon(); // a second stop does nothing
        await subscription.DisposeAsync();
        await subscription.DisposeAsync();
    }

    [Fact]
    public async Task The_end_of_a_subscription_gives_back_what_it_had_not_settled()
    {
        var queue = harness.NewQueue();
        await PublishAsync(queue, TestMessage.Of(id: "a"));
        await PublishAsync(queue, TestMessage.Of(id: "b"));
        var first = await SubscribeAsync(queue);
        await NextAsync(first);
        await NextAsync(first);
        await first.DisposeAsync();

        await AssertBothComeBackAsync(queue);
    }

    [Fact]
    public async Task A_crash_gives_back_what_was_not_settled()
    {
        var queue = harness.NewQueue();
        await PublishAsync(queue, TestMessage.Of(id: "a"));
        await PublishAsync(queue, TestMessage.Of(id: "b"));
        var first = await SubscribeAsync(queue);
        var inHand = await NextAsync(first);
        await NextAsync(first);
        await harness.CrashAsync(first);

        await AssertBothComeBackAsync(queue);
        await inHand.SettleAsync([]); // too late, and harmless
    }

    [Fact]
    public async Task A_thousand_messages_published_at_once_arrive_once_each()
    {
        const int Count = 1_000;
        var queue = harness.NewQueue();
        var ids = Enumerable.Range(0, Count).Select(i => $"{i:0000}").ToArray();
        await Task.WhenAll(ids.Select(id => Task.Run(async () => await PublishAsync(queue, TestMessage.Of(id: id))))).Soon();

        var subscription = await SubscribeAsync([queue], prefetch: 50);
        var seen = new List<string>();
        for (var i = 0; i < Count; i++)
        {
            var delivery = await NextAsync(subscription);
            seen.Add(delivery.Message.CorrelationId!);
            await delivery.SettleAsync([]);
        }

        Assert.Equal(ids, seen.Order(StringComparer.Ordinal));
        await subscription.DisposeAsync();
        await AssertEmptyAsync(queue);
    }

    async Task AssertBothComeBackAsync(string queue)
    {
        var second = await SubscribeAsync(queue);
        var deliveries = new[] { await NextAsync(second), await NextAsync(second) };
        Assert.Equal(["a", "b"], deliveries.Select(d => d.Message.CorrelationId).Order());
        Assert.All(deliveries, d => Assert.True(d.DeliveryCount >= 1, "The count did not rise."));
        foreach (var delivery in deliveries)
        {
            await delivery.SettleAsync([]);
        }
    }
}
