using Jobs.Transport;
using Xunit;

namespace Jobs.Contracts;

/// <summary>
/// A settlement writes all follow-ups of a job, and then takes the job off its queue. Each of the two happens at most
/// once.
/// </summary>
public abstract partial class TransportContract
{
    [Fact]
    public async Task A_settlement_writes_everything_and_then_leaves()
    {
        var (queue, one, two) = (harness.NewQueue(), harness.NewQueue(), harness.NewQueue());
        await PublishAsync(queue, TestMessage.Of());
        var subscription = await SubscribeAsync(queue);
        var delivery = await NextAsync(subscription);

        await delivery.SettleAsync([new(one, TestMessage.Of(id: "a")), new(two, TestMessage.Of(id: "b")), new(one, TestMessage.Of(id: "c"))]);

        Assert.True(delivery.IsSettled);
        var ones = await SubscribeAsync(one);
        Assert.Equal("a", (await NextAsync(ones)).Message.CorrelationId);
        Assert.Equal("c", (await NextAsync(ones)).Message.CorrelationId);
        Assert.Equal("b", (await NextAsync(await SubscribeAsync(two))).Message.CorrelationId);
        await subscription.DisposeAsync();
        await AssertEmptyAsync(queue);
    }

    [Fact]
    public async Task A_settlement_whose_write_fails_can_still_be_released_or_settled_with_something_else()
    {
        var (queue, next) = (harness.NewQueue(), harness.NewQueue());
        await PublishAsync(queue, TestMessage.Of(id: "job"));
        var (faulty, subscription) = await SubscribeFaultyAsync(queue);
        faulty.Fault = (step, _, message) => step == FaultStep.Publish && message.CorrelationId == "bad" ? new IOException("broken") : null;

        var first = await NextAsync(subscription);
        var thrown = await Assert.ThrowsAsync<JobSettlementException>(() => first.SettleAsync([new(next, TestMessage.Of(id: "bad")), new(next, TestMessage.Of(id: "good"))]).AsTask());
        Assert.Equal([0], thrown.Failures.Keys); // the other message is durable
        Assert.False(first.IsSettled);
        await first.ReleaseAsync();

        var second = await NextAsync(subscription);
        Assert.Equal("job", second.Message.CorrelationId);
        await Assert.ThrowsAsync<JobSettlementException>(() => second.SettleAsync([new(next, TestMessage.Of(id: "bad"))]).AsTask());
        await second.SettleAsync([]);
        Assert.True(second.IsSettled);
        await subscription.DisposeAsync();
        await AssertEmptyAsync(queue);
        Assert.Equal("good", (await NextAsync(await SubscribeAsync(next))).Message.CorrelationId);
    }

    [Fact]
    public async Task Two_settlements_of_one_delivery_do_not_both_write()
    {
        var (queue, next) = (harness.NewQueue(), harness.NewQueue());
        await PublishAsync(queue, TestMessage.Of());
        var (faulty, subscription) = await SubscribeFaultyAsync(queue);
        var delivery = await NextAsync(subscription);
        var others = new List<Task>();
        faulty.Fault = (step, _, _) =>
        {
            if (step == FaultStep.Publish && others.Count == 0)
            {
                others.Add(Task.CompletedTask); // now, in the middle of the write of the first settlement
                others.Add(delivery.SettleAsync([new(next, TestMessage.Of(id: "second"))]).AsTask());
                others.Add(delivery.ReleaseAsync().AsTask());
            }

            return null;
        };

        await delivery.SettleAsync([new(next, TestMessage.Of(id: "first"))]);
        await Task.WhenAll(others).Soon();

        Assert.Equal(["first"], faulty.Published.Select(p => p.Message.CorrelationId));
        Assert.Equal([FaultStep.Ack], faulty.Settled.Select(s => s.Verb));
    }

    [Fact]
    public async Task What_left_early_is_only_written_for_and_never_given_back()
    {
        var (queue, next) = (harness.NewQueue(), harness.NewQueue());
        await PublishAsync(queue, TestMessage.Of(id: "1"));
        await PublishAsync(queue, TestMessage.Of(id: "2"));
        var subscription = await SubscribeAsync(queue);
        var (first, second) = (await NextAsync(subscription), await NextAsync(subscription));
        Assert.True(await first.LeaveEarlyAsync());
        Assert.False(first.IsSettled); // its follow-ups are still owed
        Assert.True(await second.LeaveEarlyAsync());

        await first.SettleAsync([new(next, TestMessage.Of(id: "of 1"))]);
        await second.ReleaseAsync();

        Assert.True(first.IsSettled && second.IsSettled);
        Assert.False(await first.LeaveEarlyAsync());
        Assert.Equal("of 1", (await NextAsync(await SubscribeAsync(next))).Message.CorrelationId);
        await subscription.DisposeAsync();
        await AssertEmptyAsync(queue);
    }

    [Fact]
    public async Task A_reply_that_nobody_takes_is_dropped_and_its_job_is_settled()
    {
        var (queue, nowhere, somewhere) = (harness.NewQueue(), harness.NewQueue(), harness.NewQueue());
        var replies = await SubscribeAsync(somewhere);
        await PublishAsync(queue, TestMessage.Of());
        var subscription = await SubscribeAsync(queue);
        var delivery = await NextAsync(subscription);

        await delivery.SettleAsync([
            new(nowhere, TestMessage.Of(id: "lost"), Kind: OutgoingKind.Reply),
            new(somewhere, TestMessage.Of(id: "found"), Kind: OutgoingKind.Reply)]).AsTask().Soon();

        Assert.True(delivery.IsSettled);
        Assert.Equal("found", (await NextAsync(replies)).Message.CorrelationId);
        await subscription.DisposeAsync();
        await AssertEmptyAsync(queue);
        await AssertEmptyAsync(nowhere);
    }

    [Fact]
    public async Task Many_messages_go_out_in_one_call_and_each_one_has_its_own_fate()
    {
        var queue = harness.NewQueue();
        var faulty = new FaultyTransport(Transport) { Fault = (step, _, message) => step == FaultStep.Publish && message.CorrelationId == "7" ? new IOException("broken") : null };

        var failures = await faulty.PublishAsync([.. Enumerable.Range(0, 20).Select(i => new Outgoing(queue, TestMessage.Of(id: $"{i}")))], Wait.Deadline, TestContext.Current.CancellationToken);

        Assert.Equal([7], failures.Keys);
        var subscription = await SubscribeAsync([queue], prefetch: 20);
        var found = new List<string?>();
        for (var i = 0; i < 19; i++)
        {
            found.Add((await NextAsync(subscription)).Message.CorrelationId);
        }

        Assert.Equal(Enumerable.Range(0, 20).Where(i => i != 7).Select(i => $"{i}"), found);
    }

    async Task<(FaultyTransport Transport, JobSubscription Subscription)> SubscribeFaultyAsync(string queue)
    {
        var faulty = new FaultyTransport(Transport);
        var subscription = await faulty.SubscribeAsync(new() { Queues = [queue], Prefetch = 10 }, TestContext.Current.CancellationToken).Soon();
        subscriptions.Add(subscription);
        return (faulty, subscription);
    }
}
