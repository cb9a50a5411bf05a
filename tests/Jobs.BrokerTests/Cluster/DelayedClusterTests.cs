using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;

namespace Jobs.BrokerTests.Cluster;

/// <summary>Delayed jobs while a node of the cluster is down. Trait: a cluster of local processes is the same whatever the shared broker is.</summary>
[Collection(nameof(ClusterCollection))]
[Trait("Needs", "cluster")]
public sealed class DelayedClusterTests
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);

    /// <summary>
    /// Celery's workers held delayed jobs in memory and gave each other copies when a node went down. Here they wait in the broker's levels, one level for this
    /// delay, and the node dies while they wait: a level that hands on in that very moment may do it twice (at least once). (Celery #2976, Dramatiq #827)
    /// </summary>
    [Fact]
    public async Task Delayed_jobs_run_once_when_a_node_dies_while_they_wait_and_no_worker_holds_them()
    {
        const int Count = 200, Dying = 0, Living = 1;
        var delay = TimeSpan.FromSeconds(32); // a power of two: one level, one hop
        await using var cluster = await LocalCluster.StartAsync();
        await using var bench = new Bench(new ClusterNode(cluster, Living));
        var living = $"amqp://guest:guest@{string.Join(',', cluster.AmqpUris.Skip(Living).Select(uri => $"{uri.Host}:{uri.Port}"))}/";
        var task = new ProbeTask();

        // All leaders on the node that dies: its own connection declares everything.
        await Bench.Jobs(bench.Host(cluster.AmqpUris[Dying].ToString())).EnqueueAsync(ProbeTask.Job() with { Id = "first", Delay = delay }, TestContext.Current.CancellationToken);
        await bench.StartedAsync(bench.Host(living, task: task));
        var begun = TimeProvider.System.GetTimestamp();
        await Bench.Jobs(bench.Host(living)).EnqueueManyAsync(
            Enumerable.Range(0, Count).Select(i => ProbeTask.Job() with { Id = $"{i}", Delay = delay }), TestContext.Current.CancellationToken);

        await cluster.KillAsync(Dying);
        Assert.True(TimeProvider.System.GetElapsedTime(begun) < delay / 2, "The machine is too slow for this delay: the jobs were due before the node died.");
        var unacknowledged = await cluster.ControlAsync(Living, "list_queues", "--local", "name", "messages_unacknowledged"); // of leaders here
        Assert.Empty(task.Runs);
        Assert.DoesNotContain(unacknowledged.Split('\n'), line => line.StartsWith(bench.Queue, StringComparison.Ordinal) && !line.EndsWith("\t0", StringComparison.Ordinal));

        await Eventually.BecomesAsync(() => task.Runs.Count == Count + 1, Soon, "all delayed jobs to run");
        await cluster.StartAsync(Dying);
        await cluster.AllRunAsync();
        await bench.HoldsAsync(bench.Queue, 0);
        Assert.Equal(Count + 1, task.Runs.Count);
        Assert.All(task.Runs, run => Assert.Equal(1, run.Value));
    }

    /// <summary>What the operations guide says about a delay level that holds what it should have passed on; with few jobs under way it does not get going by itself.</summary>
    [Fact]
    public async Task A_delay_level_that_passes_nothing_on_is_set_going_by_maintenance_of_the_node_that_leads_it()
    {
        await using var cluster = await LocalCluster.StartAsync();
        await using var bench = new Bench(new ClusterNode(cluster, 0));
        var level = $"{bench.Prefix}.delay.00";
        var task = new ProbeTask();
        var host = await bench.StartedAsync(bench.Host($"amqp://guest:guest@{string.Join(',', cluster.AmqpUris.Select(uri => $"{uri.Host}:{uri.Port}"))}/", task: task));
        await EnqueueAsync("first");
        await Eventually.BecomesAsync(() => task.Runs.Count == 1, Soon, "the first job to run");

        var name = (await cluster.ManagementAsync(0, $"api/queues/%2F/{level}?columns=leader")).GetProperty("leader").GetString();
        var leader = cluster.Nodes.Single(node => node.Name == name);
        await DeadLetterWorker.MisleadAsync(erlang => leader.ControlAsync("eval", erlang), level);
        await EnqueueAsync("1", "2", "3");
        await DeadLetterWorker.KeepsAsync(erlang => leader.ControlAsync("eval", erlang), level, 3);

        await leader.RunAsync("rabbitmq-upgrade", "drain");
        await leader.RunAsync("rabbitmq-upgrade", "revive");
        await Eventually.BecomesAsync(() => task.Runs.Count == 4, Soon, "all delayed jobs to run");

        Task EnqueueAsync(params string[] ids) => Bench.Jobs(host).EnqueueManyAsync(
            ids.Select(id => ProbeTask.Job() with { Id = id, Delay = TimeSpan.FromSeconds(1) }), TestContext.Current.CancellationToken);
    }
}
