using System.Diagnostics;
using Jobs.Brokers;

namespace Jobs.Faults.Sites;

/// <summary>
/// Three nodes and a load balancer of our own.
/// <para>Healing goes from the outside to the inside, because each step needs the ones before:</para>
/// <list type="number">
/// <item>The network of the clients, the load balancer, paused nodes and cuts between nodes: all these are ours to undo.</item>
/// <item>Dead nodes start, all at the same time: after a kill of all each waits for the others.</item>
/// <item>A node that does not come back to the others by itself is restarted: Mnesia does not forgive a partition, and a paused minority may miss its end.</item>
/// <item>Alarms and maintenance mode end; then quorum queues elect, their members come online, and the load balancer takes all nodes again.</item>
/// </list>
/// </summary>
abstract class ClusterSite : Site
{
    // A node alone comes back within one tick of the cluster (15 s) and its own start.
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    static readonly TimeSpan StepTimeout = TimeSpan.FromSeconds(90);

    readonly SemaphoreSlim healing = new(1, 1);

    public sealed override bool OwnsNodes => true;

    public sealed override IReadOnlyList<SiteNode> Nodes => ClusterNodes;

    /// <summary>Where the load balancer says which nodes it takes for alive.</summary>
    protected abstract Uri BalancerStatus { get; }

    protected abstract IReadOnlyList<ClusterNode> ClusterNodes { get; }

    public sealed override async Task HealAsync(Action<string> say)
    {
        await healing.WaitAsync();
        try
        {
            HealNetwork();
            foreach (var node in ClusterNodes)
            {
                await node.ResumeAsync();
                try
                {
                    await JoinAsync(node);
                }
                catch (InvalidOperationException)
                {
                    await node.KillAsync(); // no cut outlives its node, which starts below
                }
            }

            await StartLoadBalancerAsync();
            await Task.WhenAll(ClusterNodes.Select(node => StartForSureAsync(node, say)));
            await SeeEachOtherAsync(say);
            await EndMaintenanceAndAlarmsAsync();
            await AllQueuesAreWellAsync(say);
            await Eventually.BecomesAsync(() => Haproxy.AllServersAreUpAsync(BalancerStatus), StepTimeout, "the load balancer to take all nodes");
            await AmqpGreeting.WaitAsync(new Uri(ClientUri), StepTimeout, "a node to answer through the load balancer");
        }
        finally
        {
            healing.Release();
        }
    }

    /// <summary>What the operations guide says about a delay level that holds what it should have passed on: the node that leads it goes into maintenance and comes back.</summary>
    public sealed override async Task MoveLeadersAsync(IReadOnlyList<HeldQueue> queues, Action<string> say)
    {
        var leaders = await Task.WhenAll(queues.Select(queue => Management!.LeaderOfAsync(queue.Name)));
        foreach (var node in ClusterNodes.Where(node => leaders.Contains(node.Name)))
        {
            var held = string.Join(", ", queues.Where((_, index) => leaders[index] == node.Name));
            try
            {
                await node.DrainAsync();
                await node.ReviveAsync();
                say($"{held} stayed there: {node}, which led that, was drained and revived");
            }
            catch (InvalidOperationException exception)
            {
                say($"{held} stayed there, and {node}, which leads that, could not be drained and revived: {exception.Message.Split('\n')[0]}");
            }
        }
    }

    static async Task StartForSureAsync(ClusterNode node, Action<string> say)
    {
        try
        {
            await node.StartAsync();
        }
        catch (InvalidOperationException)
        {
            // A start that found the cluster broken can wait for it for ever. The others have started meanwhile: once more.
            say($"{node} did not start by itself: killed and started again");
            await node.KillAsync();
            await node.StartAsync();
        }
    }

    async Task SeeEachOtherAsync(Action<string> say)
    {
        for (var restarts = 0; await StrangerAsync() is { } node; restarts++)
        {
            if (restarts == 3)
                throw new TimeoutException($"Three restarts did not bring {node} back into the cluster.");
            say($"{node} did not find the others in {Patience.TotalSeconds} s: killed and started again");
            await node.KillAsync();
            await StartForSureAsync(node, say);
        }
    }

    /// <summary>The node that belongs to the cluster least of all, after some patience; null as soon as all belong to it.</summary>
    async Task<ClusterNode?> StrangerAsync()
    {
        var watch = Stopwatch.StartNew();
        while (true)
        {
            var views = await Task.WhenAll(Enumerable.Range(0, ClusterNodes.Count).Select(Management!.ViewOfAsync));
            if (views.All(view => view is { Partitioned.Count: 0 } && view.Running.Count == ClusterNodes.Count))
                return null;
            if (watch.Elapsed > Patience)
            {
                // Who has stopped, because the others may wait for it; else whom fewest see. On a tie the order of the nodes decides: one must keep the state of the
                // cluster that the others take over.
                var stopped = await Task.WhenAll(ClusterNodes.Select(node => node.HasStoppedAsync()));
                return ClusterNodes
                    .Select((node, index) => (node, index, Score: Score(node, views[index], views)))
                    .OrderBy(entry => !stopped[entry.index]).ThenBy(entry => entry.Score).ThenByDescending(entry => entry.index)
                    .First().node;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(500));
        }

        static int Score(ClusterNode node, NodeView? own, NodeView?[] views) =>
            (own?.Running.Count ?? 0) + views.Count(view => view is not null && view.Running.Contains(node.Name) && !view.Partitioned.Contains(node.Name));
    }

    async Task EndMaintenanceAndAlarmsAsync()
    {
        foreach (var node in ClusterNodes)
        {
            await node.ClearAlarmAsync(Alarm.Memory);
            await node.ClearAlarmAsync(Alarm.Disk);
            if (node.IsDrained)
                await node.ReviveAsync();
        }

        await Eventually.BecomesAsync(
            async () => await Management!.ViewOfAsync(0) is { HasAlarm: false }, StepTimeout, "all alarms to end");
    }

    async Task AllQueuesAreWellAsync(Action<string> say)
    {
        var watch = Stopwatch.StartNew();
        var replaced = false;
        while (true)
        {
            var ill = await Management!.IllQueuesAsync();
            if (ill is { Count: 0 })
                return;
            if (watch.Elapsed > Patience && ill is [{ HasLeader: true } one] && !replaced)
            {
                say($"{one} for {Patience.TotalSeconds} s though all nodes run: removed as member, and added again");
                await ReplaceMembersAsync(one);
                replaced = true;
                continue;
            }

            if (watch.Elapsed > StepTimeout)
                throw new TimeoutException($"Waited {watch.Elapsed.TotalSeconds:F0} s for all quorum queues to have a leader and all members; {(ill is null ? "no node answers" : string.Join("; ", ill))}.");
            await Task.Delay(TimeSpan.FromMilliseconds(500));
        }
    }

    /// <summary>What the operations guide says about a queue that was deleted and declared again while a node had not finished with the former one: all nodes run, and it stays out.</summary>
    async Task ReplaceMembersAsync(IllQueue queue)
    {
        foreach (var member in queue.Missing)
        {
            foreach (var command in new[] { "delete_member", "add_member" })
                await ClusterNodes[0].ControlAsync("rabbitmq-queues", command, "--vhost", queue.Vhost, queue.Name, member);
        }
    }
}
