using System.Text.Json;
using Jobs.Brokers;
using RabbitMQ.Client;

namespace Jobs.BrokerTests.Cluster;

/// <summary>
/// The cluster of the article that Jobs comes from: three nodes that were alone, joined by hand, and one policy that mirrors every classic queue on all of them. The last
/// version that does this is 3.13; the nodes are the installed ones, 3.10.
/// </summary>
public sealed class MirroredCluster : IAsyncLifetime
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);

    LocalCluster? cluster;

    public LocalCluster Nodes => cluster ?? throw new InvalidOperationException("The cluster is not started yet.");

    /// <summary>All nodes, as an application names them.</summary>
    public string Uri => $"amqp://guest:guest@{string.Join(',', Nodes.AmqpUris.Select(uri => $"{uri.Host}:{uri.Port}"))}/";

    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        cluster = await LocalCluster.StartApartAsync();
        await cluster.JoinAsync(1);
        await cluster.JoinAsync(2);
        await cluster.AllRunAsync();
        await cluster.ControlAsync(0, "set_policy", "ha-all", "", """{"ha-mode":"all","ha-sync-mode":"automatic"}""");
    }

    /// <summary>A classic queue, made by an administrator, with its master on node <paramref name="index"/> and mirrors in step on all others.</summary>
    public async Task DeclareAsync(int index, string queue)
    {
        await using var connection = await new ConnectionFactory { Uri = Nodes.AmqpUris[index] }.CreateConnectionAsync(Cancellation);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: Cancellation);
        await channel.QueueDeclareAsync(
            queue, durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-queue-type"] = "classic" }, cancellationToken: Cancellation);
        await InStepAsync(queue);
        Assert.Equal(index, await MasterAsync(queue, from: index));
    }

    /// <summary>Returns when the queue has a mirror in step on every node but its master's.</summary>
    public Task InStepAsync(string queue) => Eventually.BecomesAsync(
        async () => (await Nodes.ManagementAsync(0, $"api/queues/%2F/{queue}")).TryGetProperty("synchronised_slave_nodes", out var mirrors) && mirrors.GetArrayLength() == Nodes.Nodes.Count - 1,
        Soon,
        $"the mirrors of {queue} to be in step");

    /// <summary>The node that the queue's master is on, as node <paramref name="from"/> sees it.</summary>
    public async Task<int> MasterAsync(string queue, int from)
    {
        JsonElement found = await Nodes.ManagementAsync(from, $"api/queues/%2F/{queue}");
        var name = found.GetProperty("node").GetString();
        return Enumerable.Range(0, Nodes.Nodes.Count).Single(index => Nodes.Nodes[index].Name == name);
    }

    public async ValueTask DisposeAsync()
    {
        if (cluster is not null)
        {
            await cluster.DisposeAsync();
        }
    }
}
