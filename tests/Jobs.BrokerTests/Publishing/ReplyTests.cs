using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Jobs.Transport;
using RabbitMQ.Client;

namespace Jobs.BrokerTests.Publishing;

/// <summary>Replies share nothing that a dead reply queue can hold up.</summary>
public sealed class ReplyTests(BrokerFixture brokers) : IAsyncDisposable
{
    const int Disconnected = 401, ReplyDropped = 424;

    static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    readonly Bench bench = new(brokers.Broker);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    // §1.2: the first publish of a channel to a quorum queue waits for an answer of the queue, for net_ticktime + 5 s,
    // and all later ones of the channel wait behind it.
    [Fact]
    public async Task While_a_reply_queue_holds_its_channel_up_jobs_journals_and_other_replies_go_on()
    {
        var (mute, living) = ($"{bench.Prefix}.mute", $"{bench.Prefix}.living");
        await using (var channel = await bench.ChannelAsync())
        {
            foreach (var queue in new[] { mute, living })
            {
                var quorum = new Dictionary<string, object?> { ["x-queue-type"] = "quorum" };
                await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false, quorum, cancellationToken: TestContext.Current.CancellationToken);
            }
        }

        var host = bench.Host();
        await using var journal = Bench.Transport(host).OpenJournal("kept");
        await journal.AppendAsync("1"u8.ToArray(), Soon, TestContext.Current.CancellationToken);
        await Bench.Jobs(host).EnqueueManyAsync([ProbeTask.Job() with { Id = "1" }, ProbeTask.Job() with { Id = "2" }], TestContext.Current.CancellationToken);
        await using var subscription = await bench.SubscribeAsync(host);
        var (first, second) = ((await subscription.NextAsync())!, (await subscription.NextAsync())!);
        await brokers.Broker.ControlAsync("eval", $"sys:suspend('%2F_{mute}').");
        try
        {
            var hanging = ReplyAsync(first, mute);
            var behind = ReplyAsync(second, living);
            await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job() with { Queue = $"{bench.Prefix}.other" }, TestContext.Current.CancellationToken);
            await journal.AppendAsync("2"u8.ToArray(), Soon, TestContext.Current.CancellationToken);
            Assert.False(hanging.IsCompleted);

            await behind.WaitAsync(Soon, TestContext.Current.CancellationToken);
            Assert.False(hanging.IsCompleted);
            await hanging.WaitAsync(Soon, TestContext.Current.CancellationToken);
        }
        finally
        {
            await brokers.Broker.ControlAsync("eval", $"sys:resume('%2F_{mute}').");
        }

        // The log, not the metric: OpenTelemetry joins the meters of all hosts, so a host that another test stops meanwhile takes our counts along.
        await Eventually.BecomesAsync(() => bench.Logged(ReplyDropped, mute) == 1, Soon, "the dropped reply to be logged");
        Assert.Equal(0, bench.Logged(ReplyDropped, living));
        Assert.Equal(["of 2"], (await bench.DrainIdsAsync(living)).Keys); // perhaps twice: over the channel that was held up, too
        Assert.Equal(0, bench.Logged(Disconnected)); // no connection was given up for it
        await subscription.DisposeAsync();
        Assert.Equal(0, await bench.CountAsync(bench.Queue)); // both are settled
    }

    static Task ReplyAsync(Delivery delivery, string queue) =>
        delivery.SettleAsync([new(queue, Bench.Message($"of {delivery.Message.CorrelationId}"), Kind: OutgoingKind.Reply)]).AsTask();
}
