using Jobs.Faults.Sites;

namespace Jobs.Faults.Faults;

/// <summary>A cut in the network of the nodes.</summary>
/// <param name="cuts">One of these, by chance.</param>
sealed class PartitionNode(string name, string description, Cut[] cuts, FaultDurations durations) : NodeFault(durations, 5, 45)
{
    public override string Name => name;

    public override string Description => description;

    public override FaultKind Kind => FaultKind.Partition;

    public override bool CanBeDoneTo(Site site) => site.OwnsNodes && cuts.All(site.CanCut);

    protected override Task<Breakage?> PlanAsync(FaultContext context)
    {
        var site = context.Site;
        var node = AnyOf(context.Random, site.Nodes);
        var cut = AnyOf(context.Random, cuts);
        var what = cut switch
        {
            Cut.FromNodes => $"{node} and the other nodes do not reach each other",
            Cut.Mute => $"the other nodes do not hear {node}, which hears them",
            Cut.Deaf => $"{node} does not hear the other nodes, which hear it",
            _ => $"clients do not reach {node}",
        };
        return Task.FromResult<Breakage?>(new(
            what,
            () => TryAsync(context, $"cut around {node}", () => site.CutAsync(node, cut)),
            () => TryAsync(context, $"end of the cut around {node}", () => site.JoinAsync(node)),
            $"{node} is connected again"));
    }
}
