using Jobs.Transport;
using Xunit;

namespace Jobs.Contracts;

/// <summary>
/// Browsing: somebody looks through a queue and takes some messages out of it; the others stay as they were.
/// </summary>
public abstract partial class TransportContract
{
    [Fact]
    public async Task Messages_that_were_only_looked_at_stay_in_their_order_and_those_that_were_taken_out_are_gone()
    {
        const int Many = 300;
        var queue = harness.NewQueue();
        for (var i = 0; i < Many; i++)
        {
            await PublishAsync(queue, TestMessage.Of($"{i:000}"));
        }

        for (var round = 0; round < 3; round++)
        {
            await using var browsing = await Transport.SubscribeAsync(
                new() { Queues = [queue], Prefetch = Many, Browse = true }, TestContext.Current.CancellationToken);
            for (var i = 0; i < Many - (round * 10); i++)
            {
                var seen = await browsing.NextAsync().Soon();
                if (i % 17 == 0 && i / 17 < 10)
                {
                    await seen!.SettleAsync([]).AsTask().Soon();
                }
            }
        }

        List<string> expected = [.. Enumerable.Range(0, Many).Select(i => $"{i:000}")];
        for (var round = 0; round < 3; round++)
        {
            List<int> taken = [.. Enumerable.Range(0, 10).Select(i => i * 17)];
            expected = [.. expected.Where((_, i) => !taken.Contains(i))];
        }

        Assert.Equal(expected, await DrainAsync(queue, expected.Count));
    }

    [Fact]
    public async Task A_message_that_was_looked_at_very_often_goes_nowhere()
    {
        var queue = harness.NewQueue();
        await PublishAsync(queue, TestMessage.Of("one"));
        for (var i = 0; i < 25; i++)
        {
            await using var browsing = await Transport.SubscribeAsync(
                new() { Queues = [queue], Prefetch = 10, MaxDeliveries = 2, Browse = true }, TestContext.Current.CancellationToken);
            Assert.Equal("one", (await browsing.NextAsync().Soon())!.Message.CorrelationId);
        }

        await using var last = await Transport.SubscribeAsync(new() { Queues = [queue], Prefetch = 10, Browse = true }, TestContext.Current.CancellationToken);
        Assert.Equal("one", (await last.NextAsync().Soon())!.Message.CorrelationId);
    }

    [Fact]
    public async Task A_look_through_a_queue_holds_more_than_one_transaction_takes()
    {
        const int Many = 2_500;
        var queue = harness.NewQueue();
        var failed = await Transport.PublishAsync(
            [.. Enumerable.Range(0, Many).Select(i => new Outgoing(queue, TestMessage.Of($"{i:0000}")))], Wait.Deadline, TestContext.Current.CancellationToken);
        Assert.Empty(failed);
        await using (var browsing = await Transport.SubscribeAsync(
            new() { Queues = [queue], Prefetch = ushort.MaxValue, Browse = true }, TestContext.Current.CancellationToken))
        {
            for (var i = 0; i < Many; i++)
            {
                Assert.NotNull(await browsing.NextAsync().Soon());
            }
        }

        await Wait.Until(async () => await Transport.CountAsync(queue, TestContext.Current.CancellationToken) == Many);
    }

    [Fact]
    public async Task A_record_that_follows_a_job_is_in_its_journal_when_the_job_is_settled()
    {
        var queue = harness.NewQueue();
        await PublishAsync(queue, TestMessage.Of("one"));
        var delivery = await NextAsync(await SubscribeAsync(queue));

        await delivery.SettleAsync([new($"j.{queue}", TestMessage.Of() with { Body = "record"u8.ToArray() }, Kind: OutgoingKind.Record)]).AsTask().Soon();

        await using var journal = Transport.OpenJournal($"j.{queue}");
        await using var reader = await journal.LeadAsync(TestContext.Current.CancellationToken).Soon();
        Assert.Equal(["record"], Texts(reader.Backlog));
    }

    async Task<List<string>> DrainAsync(string queue, int count)
    {
        await using var subscription = await Transport.SubscribeAsync(new() { Queues = [queue], Prefetch = 1000 }, TestContext.Current.CancellationToken);
        List<string> ids = [];
        for (var i = 0; i < count; i++)
        {
            var delivery = (await subscription.NextAsync().Soon())!;
            ids.Add(delivery.Message.CorrelationId!);
            await delivery.SettleAsync([]).AsTask().Soon();
        }

        return ids;
    }
}
