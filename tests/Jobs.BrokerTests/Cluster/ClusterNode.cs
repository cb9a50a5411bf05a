using Jobs.Brokers;

namespace Jobs.BrokerTests.Cluster;

/// <summary>One node of a cluster, for a <see cref="Rabbit.Bench"/>.</summary>
sealed class ClusterNode(LocalCluster cluster, int index) : TestBroker(cluster.AmqpUris[index])
{
    public override Uri ManagementUri => cluster.Nodes[index].ManagementUri;

    public override Task<string> ControlAsync(params string[] rabbitmqctlArguments) => cluster.ControlAsync(index, rabbitmqctlArguments);

    public override Task KillNodeAsync() => cluster.KillAsync(index);

    public override Task RestartNodeAsync() => cluster.StartAsync(index);
}
