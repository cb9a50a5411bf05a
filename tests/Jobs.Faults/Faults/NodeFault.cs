using Jobs.Faults.Sites;

namespace Jobs.Faults.Faults;

/// <summary>A fault of nodes that are ours.</summary>
abstract class NodeFault(FaultDurations durations, double shortest, double longest) : HeldFault(durations, shortest, longest)
{
    public override FaultKind Kind => FaultKind.Nodes;

    public override bool CanBeDoneTo(Site site) => site.OwnsNodes;

    /// <summary>Starts nodes at the same time. One that does not come back now is left to <see cref="Site.HealAsync"/>: another fault may be in its way.</summary>
    protected static Task StartAsync(FaultContext context, params IEnumerable<SiteNode> nodes) => Task.WhenAll(nodes.Select(async node =>
    {
        try
        {
            await node.StartAsync();
        }
        catch (Exception exception) when (exception is InvalidOperationException or TimeoutException)
        {
            context.Say($"{node} has not come back yet, which healing will see to: {exception.Message.Split('\n')[0]}");
        }
    }));

    /// <summary>Does something that a dead or paused node refuses. Under several faults at once that is no news.</summary>
    protected static async Task<bool> TryAsync(FaultContext context, string what, Func<Task> action)
    {
        try
        {
            await action();
            return true;
        }
        catch (InvalidOperationException exception)
        {
            context.Say($"{what} did not succeed: {exception.Message.Split('\n')[0]}");
            return false;
        }
    }

    /// <summary>All nodes in an order of chance.</summary>
    protected static SiteNode[] Shuffled(FaultContext context)
    {
        SiteNode[] nodes = [.. context.Site.Nodes];
        context.Random.Shuffle(nodes);
        return nodes;
    }
}
