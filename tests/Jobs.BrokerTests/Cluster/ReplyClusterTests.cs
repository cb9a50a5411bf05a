using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Jobs.Tests.Diagnostics;
using Jobs.Transport;
using Microsoft.Extensions.Hosting;
using RabbitMQ.Client;

namespace Jobs.BrokerTests.Cluster;

/// <summary>
/// Replies to callers whose queue is gone, or is on a node that died. rabbitmq.md §11 Q6: a mandatory message to a classic queue on a dead node
/// comes back; a quorum queue without a leader refuses it. Trait: a cluster of local processes is the same whatever the shared broker is.
/// </summary>
[Collection(nameof(ClusterCollection))]
[Trait("Needs", "cluster")]
public sealed class ReplyClusterTests : IAsyncLifetime
{
    const int Callers = 0;
    const int Living = 1;
    const int Replies = 3;
    const int ReplyDropped = 424, Disconnected = 401;

    static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);

    readonly Measured measured = new();
    LocalCluster? started;
    Bench? ofThisTest;
    JobSubscription? subscription;

    LocalCluster Cluster => started!;

    Bench Bench => ofThisTest!;

    string Caller => $"{Bench.Prefix}.caller";

    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        started = await LocalCluster.StartAsync();
        ofThisTest = new(new ClusterNode(started, Living));
    }

    public async ValueTask DisposeAsync()
    {
        measured.Dispose();
        if (started is { } cluster)
        {
            // Before the clearing up: 3.10 lists queues very slowly while a member of a quorum queue is down (server #6282).
            if (!cluster.Nodes[Callers].IsRunning)
            {
                await cluster.StartAsync(Callers);
                await cluster.AllRunAsync();
            }

            await Bench.DisposeAsync();
            await cluster.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_reply_to_a_classic_queue_on_a_dead_node_is_dropped_and_its_job_is_settled()
    {
        await DeclareAsync(Callers, Caller, new() { ["x-queue-type"] = "classic" });
        var (_, deliveries) = await DeliveriesAsync(Replies);
        await Cluster.KillAsync(Callers);

        await Task.WhenAll(deliveries.Select(d => ReplyAsync(d, Caller))).WaitAsync(Soon, Cancellation);

        await AssertDroppedAndSettledAsync();
    }

    [Fact]
    public async Task While_a_quorum_queue_without_a_leader_refuses_replies_jobs_journals_and_other_replies_go_on()
    {
        var living = $"{Bench.Prefix}.living";
        await DeclareAsync(Callers, Caller, new() { ["x-queue-type"] = "quorum", ["x-quorum-initial-group-size"] = 1 });
        await DeclareAsync(Living, living, new() { ["x-queue-type"] = "classic" });
        var (host, deliveries) = await DeliveriesAsync(Replies + 1);
        var other = ProbeTask.Job() with { Queue = $"{Bench.Prefix}.other" };
        await using var journal = Bench.Transport(host).OpenJournal("kept");
        await Bench.Jobs(host).EnqueueAsync(other, Cancellation);
        await journal.AppendAsync("1"u8.ToArray(), Soon, Cancellation);
        await Cluster.KillAsync(Callers);

        var settling = deliveries.Take(Replies).Select(d => ReplyAsync(d, Caller)).ToList();
        var found = ReplyAsync(deliveries[Replies], living);

        for (var i = 0; i < 20; i++)
        {
            await Bench.Jobs(host).EnqueueAsync(other, Cancellation).WaitAsync(Soon, Cancellation);
        }

        await journal.AppendAsync("2"u8.ToArray(), Soon, Cancellation);
        Assert.DoesNotContain(settling, call => call.IsCompleted);

        await Task.WhenAll(settling.Append(found)).WaitAsync(Soon, Cancellation);
        await Bench.HoldsAsync(living, 1);
        await Bench.HoldsAsync(other.Queue!, 21);
        await AssertDroppedAndSettledAsync();
        Assert.Equal(0, Bench.Logged(Disconnected));
    }

    // Up to 3.12.4, a channel whose first publish to a quorum queue comes between the death of the leader and the election is refused until the node is back.
    [Fact]
    public async Task A_reply_that_is_refused_before_a_quorum_queue_elects_a_leader_arrives_after_the_election()
    {
        await DeclareAsync(Callers, Caller, new() { ["x-queue-type"] = "quorum" });
        var (_, deliveries) = await DeliveriesAsync(1);
        await FollowersAsync("suspend");
        await Cluster.KillAsync(Callers);

        var settling = ReplyAsync(Assert.Single(deliveries), Caller);
        await FollowersAsync("resume"); // starts rabbitmqctl, which takes longer than the first refusal
        await settling.WaitAsync(Soon, Cancellation);

        Assert.Equal(0, Bench.Logged(ReplyDropped));
        await Bench.HoldsAsync(Caller, 1);
        await subscription!.DisposeAsync();
        Assert.Equal(0, await Bench.CountAsync(Bench.Queue));

        Task FollowersAsync(string what) =>
            Task.WhenAll(Enumerable.Range(Living, 2).Select(node => Cluster.ControlAsync(node, "eval", $"sys:{what}('%2F_{Caller}').")));
    }

    [Fact]
    public async Task A_reply_to_a_queue_that_never_existed_is_dropped_and_its_job_is_settled()
    {
        var (_, deliveries) = await DeliveriesAsync(Replies);

        await Task.WhenAll(deliveries.Select(d => ReplyAsync(d, Caller))).WaitAsync(Soon, Cancellation);

        await AssertDroppedAndSettledAsync();
        Assert.Equal(-1, await Bench.CountAsync(Caller)); // nor was it declared
    }

    async Task<(IHost Host, List<Delivery> Deliveries)> DeliveriesAsync(int count)
    {
        var host = Bench.Host($"amqp://guest:guest@{string.Join(',', Cluster.AmqpUris.Skip(Living).Select(uri => $"{uri.Host}:{uri.Port}"))}/");
        await Bench.Jobs(host).EnqueueManyAsync(Enumerable.Range(0, count).Select(i => ProbeTask.Job() with { Id = $"{i}" }), Cancellation);
        subscription = await Bench.SubscribeAsync(host);
        var deliveries = new List<Delivery>();
        while (deliveries.Count < count)
        {
            deliveries.Add((await subscription.NextAsync().AsTask().WaitAsync(Soon, Cancellation))!);
        }

        return (host, deliveries);
    }

    static Task ReplyAsync(Delivery delivery, string queue) =>
        delivery.SettleAsync([new(queue, Bench.Message($"of {delivery.Message.CorrelationId}"), Kind: OutgoingKind.Reply)]).AsTask();

    async Task AssertDroppedAndSettledAsync()
    {
        Assert.Equal(Replies, measured.Sum("jobs.replies.dropped", ("messaging.destination.name", Caller)));
        Assert.Equal(1, Bench.Logged(ReplyDropped));

        // What was not acknowledged would be given back at the end of the subscription.
        await subscription!.DisposeAsync();
        Assert.Equal(0, await Bench.CountAsync(Bench.Queue));
    }

    async Task DeclareAsync(int node, string queue, Dictionary<string, object?> arguments)
    {
        await using var connection = await new ConnectionFactory { Uri = Cluster.AmqpUris[node] }.CreateConnectionAsync(Cancellation);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: Cancellation);
        await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false, arguments, cancellationToken: Cancellation);
    }
}
