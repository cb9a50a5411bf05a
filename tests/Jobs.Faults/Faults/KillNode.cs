using Jobs.Faults.Load;
using Jobs.Faults.Sites;

namespace Jobs.Faults.Faults;

/// <summary>SIGKILL to one node, which starts again with the data it had.</summary>
sealed class KillNode(KillNode.Victim victim, FaultDurations durations) : NodeFault(durations, 1, 20)
{
    public enum Victim
    {
        Leader,
        Follower,
        Connected,
        History,
    }

    public override string Name => victim switch
    {
        Victim.Leader => "kill-leader",
        Victim.Follower => "kill-follower",
        Victim.History => "kill-history-node",
        _ => "kill-connected",
    };

    public override string Description => victim switch
    {
        Victim.Leader => "SIGKILL to the node that leads a queue of the run; it starts again",
        Victim.History => "SIGKILL to the node that leads the stream of the history; it starts again",
        Victim.Follower => "SIGKILL to a node that follows the leader of a queue of the run; it starts again",
        _ => "SIGKILL to the node that has the most client connections; it starts again",
    };

    protected override async Task<Breakage?> PlanAsync(FaultContext context)
    {
        var (node, why) = await ChooseAsync(context);
        return new Breakage(
            $"SIGKILL to {node}, {why}",
            node.KillAsync,
            () => StartAsync(context, node),
            $"{node} was started again");
    }

    async Task<(SiteNode Node, string Why)> ChooseAsync(FaultContext context)
    {
        var site = context.Site;
        var any = AnyOf(context.Random, site.Nodes);
        if (victim == Victim.Connected)
        {
            var busiest = await BusiestAsync(site);
            return busiest is null ? (any, "chosen by chance because no connection is known") : (busiest, "which has the most connections");
        }

        var queue = victim == Victim.History ? LoadQueues.History : context.Queues.Count == 0 ? null : AnyOf(context.Random, context.Queues);
        var leader = queue is null || site.Management is null ? null : await site.Management.LeaderOfAsync(queue);
        if (leader is null)
            return (any, $"chosen by chance because no leader of {queue ?? "a queue"} is known");
        return victim is Victim.Leader or Victim.History
            ? (site.Nodes.Single(node => node.Name == leader), $"which leads {queue}")
            : (AnyOf(context.Random, [.. site.Nodes.Where(node => node.Name != leader)]), $"which follows {leader} in {queue}");
    }

    static async Task<SiteNode?> BusiestAsync(Site site)
    {
        try
        {
            var connections = site.Management is null ? [] : await site.Management.ConnectionsAsync();
            var name = connections.GroupBy(connection => connection.Node).MaxBy(group => group.Count())?.Key;
            return site.Nodes.FirstOrDefault(node => node.Name == name);
        }
        catch (InvalidOperationException)
        {
            return null; // no node answers
        }
    }
}
