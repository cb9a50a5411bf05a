using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;

namespace Jobs.BrokerTests.Cluster;

/// <summary>
/// RabbitMQ up to 3.12.4 looks for the leader of a quorum queue once for each channel. A channel whose first publish to the queue comes between the death of the
/// leader and the election is refused until the node is back.
/// </summary>
[Collection(nameof(ClusterCollection))]
[Trait("Needs", "cluster")]
public sealed class RefusedJobTests
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);

    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_job_that_is_refused_before_its_queue_elects_a_leader_gets_there_after_the_election()
    {
        await using var cluster = await LocalCluster.StartAsync();
        await using var bench = new Bench(new ClusterNode(cluster, 1));
        var job = ProbeTask.Job() with { Queue = $"{bench.Prefix}.q" };
        await Bench.Jobs(bench.Host(cluster.AmqpUris[0].ToString())).EnqueueAsync(job, Cancellation); // the queue's leader is on this node
        var living = $"amqp://guest:guest@{string.Join(',', cluster.AmqpUris.Skip(1).Select(uri => $"{uri.Host}:{uri.Port}"))}/";
        var publisher = Bench.Jobs(bench.Host(living));
        await publisher.EnqueueAsync(ProbeTask.Job(), Cancellation); // so that it is connected
        await FollowersAsync("suspend");
        await cluster.KillAsync(0);

        var enqueuing = publisher.EnqueueAsync(job, Cancellation);
        await FollowersAsync("resume"); // starts rabbitmqctl, which takes longer than the first refusal
        await enqueuing.WaitAsync(Soon, Cancellation);
        await publisher.EnqueueAsync(job, Cancellation).WaitAsync(Soon, Cancellation);

        await bench.HoldsAsync(job.Queue!, 3);
        await cluster.StartAsync(0); // before the clearing up: 3.10 lists queues very slowly while a member is down (server #6282)
        await cluster.AllRunAsync();

        Task FollowersAsync(string what) =>
            Task.WhenAll(Enumerable.Range(1, 2).Select(node => cluster.ControlAsync(node, "eval", $"sys:{what}('%2F_{job.Queue}').")));
    }
}
