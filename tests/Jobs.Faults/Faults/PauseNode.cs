namespace Jobs.Faults.Faults;

/// <summary>SIGSTOP to a node: its connections stay open and silent, and it does not know that time has passed.</summary>
sealed class PauseNode(FaultDurations durations) : NodeFault(durations, 5, 90)
{
    public override string Name => "pause-node";

    public override string Description => "SIGSTOP to a node for 5 to 90 s, then SIGCONT";

    protected override Task<Breakage?> PlanAsync(FaultContext context)
    {
        var node = AnyOf(context.Random, context.Site.Nodes);
        return Task.FromResult<Breakage?>(new($"SIGSTOP to {node}", node.PauseAsync, node.ResumeAsync, $"SIGCONT to {node}"));
    }
}
