using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Jobs.Contracts;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Jobs.BrokerTests.Cluster;

/// <summary>
/// The caller's side of <see cref="ReplyClusterTests"/>: the reply queue that a process declares outlives the node of its leader. rabbitmq.md §11 Q6.
/// </summary>
[Collection(nameof(ClusterCollection))]
[Trait("Needs", "cluster")]
public sealed class ReplyQueueClusterTests : IAsyncLifetime
{
    const int Observer = 1;
    const int Calls = 20;
    const int ReplyQueueLost = 471;

    static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);

    readonly ContractBench tasks = new();
    LocalCluster? started;
    Bench? ofThisTest;
    int? killed;

    LocalCluster Cluster => started!;

    Bench Bench => ofThisTest!;

    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        started = await LocalCluster.StartAsync();
        ofThisTest = new(new ClusterNode(started, Observer));
    }

    public async ValueTask DisposeAsync()
    {
        tasks.Release.TrySetResult();
        if (started is { } cluster)
        {
            // Before the clearing up: 3.10 lists queues very slowly while a member of a quorum queue is down (server #6282).
            if (killed is { } node)
            {
                await cluster.StartAsync(node);
                await cluster.AllRunAsync();
            }

            await Bench.DisposeAsync();
            await cluster.DisposeAsync();
        }
    }

    /// <param name="moved">
    /// Whether the leader is on another node than the caller's connection when it dies. A new queue has its leader on the node of the connection.
    /// </param>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Results_arrive_when_the_leader_of_the_reply_queue_dies(bool moved)
    {
        var uri = $"amqp://guest:guest@{string.Join(',', Cluster.AmqpUris.Select(node => $"{node.Host}:{node.Port}"))}/";
        await StartWorkerAsync(uri);
        var caller = Bench.Jobs(Bench.Host(uri));
        var handles = await caller.EnqueueManyAsync(Enumerable.Range(0, Calls).Select(_ => ContractJobs.Wait()), Cancellation);
        var results = Task.WhenAll(handles.Select(handle => handle.GetResultAsync(Soon, Cancellation)));
        await tasks.Begun.Task.Soon();
        var (queue, leader) = await ReplyQueueAsync();
        if (moved)
        {
            leader = (leader + 1) % Cluster.Nodes.Count;
            await MoveAsync(queue, leader);
        }

        killed = leader;
        await Cluster.KillAsync(leader);
        tasks.Release.SetResult();

        Assert.All(await results, result => Assert.Equal("done", result));
        Assert.Equal(3, await caller.CallAsync(ContractJobs.Add(1, 2), Soon, Cancellation));
        Assert.Equal(0, Bench.Logged(ReplyQueueLost)); // it is the same queue
    }

    Task<IHost> StartWorkerAsync(string uri) => Bench.StartedAsync(Bench.Host(uri, more: jobs =>
    {
        jobs.Services.AddSingleton(tasks);
        jobs.AddTasks<ContractTasks>().AddWorker(worker => worker.Queues = [Bench.Queue]);
    }));

    async Task<(string Queue, int Leader)> ReplyQueueAsync()
    {
        var rows = await Cluster.ControlAsync(Observer, "list_queues", "--quiet", "--no-table-headers", "name", "leader");
        var row = Assert.Single(rows.Split('\n'), line => line.StartsWith($"{Bench.Prefix}.replies.", StringComparison.Ordinal)).Split('\t', StringSplitOptions.TrimEntries);
        return (row[0], Cluster.Nodes.Index().Single(node => node.Item.Name == row[1]).Index);
    }

    async Task MoveAsync(string queue, int node)
    {
        var name = $"rabbit_misc:r(<<\"/\">>, queue, <<\"{queue}\">>)";
        await Cluster.ControlAsync(
            Observer, "eval", $"{{ok, Q}} = rabbit_amqqueue:lookup({name}), rabbit_quorum_queue:transfer_leadership(Q, '{Cluster.Nodes[node].Name}').");
        await Eventually.BecomesAsync(async () => (await ReplyQueueAsync()).Leader == node, Soon, $"node {node} to lead {queue}");
    }
}
