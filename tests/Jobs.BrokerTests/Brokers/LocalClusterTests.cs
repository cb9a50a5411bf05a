using Jobs.Brokers;
using RabbitMQ.Client;

namespace Jobs.BrokerTests.Brokers;

/// <summary>Trait: a cluster of local processes is the same whatever the shared broker is, so one run of these is enough.</summary>
[Collection(nameof(ClusterCollection))]
[Trait("Needs", "cluster")]
public sealed class LocalClusterTests
{
    [Fact]
    public async Task Three_nodes_form_a_cluster_and_a_killed_node_comes_back_with_its_data()
    {
        var cancellation = TestContext.Current.CancellationToken;
        await using var cluster = await LocalCluster.StartAsync();
        var queue = TestBroker.NewName("cluster");
        await PublishAsync(cluster.AmqpUris[0]);

        await cluster.KillAsync(2);
        await Eventually.BecomesAsync(
            async () => (await cluster.RunningAsync(0)).Length == 2, TimeSpan.FromSeconds(60), "the cluster to notice that a node is dead");
        Assert.False(cluster.Nodes[2].IsRunning);
        await PublishAsync(cluster.AmqpUris[1]);

        await cluster.StartAsync(2);
        await cluster.AllRunAsync();
        await using var connection = await new ConnectionFactory { Uri = cluster.AmqpUris[2] }.CreateConnectionAsync(cancellation);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellation);
        await Eventually.BecomesAsync(
            async () => await channel.MessageCountAsync(queue, cancellation) == 2, TimeSpan.FromSeconds(30), "both confirmed messages to be counted");

        async Task PublishAsync(Uri uri)
        {
            await using var publisher = await new ConnectionFactory { Uri = uri }.CreateConnectionAsync(cancellation);
            await using var confirmed = await publisher.CreateChannelAsync(new CreateChannelOptions(true, true), cancellation);
            await confirmed.QueueDeclareAsync(
                queue, durable: true, exclusive: false, autoDelete: false,
                new Dictionary<string, object?> { ["x-queue-type"] = "quorum" }, cancellationToken: cancellation);
            await confirmed.BasicPublishAsync("", queue, mandatory: true, new byte[] { 1 }, cancellation);
        }
    }
}
