namespace Jobs.Faults.Faults;

/// <summary>SIGKILL to several nodes at once; all start again at the same time, because each waits for the others.</summary>
/// <param name="count">How many of the nodes; the others are left without a majority.</param>
sealed class KillSeveral(string name, string description, int count, FaultDurations durations, double shortest, double longest)
    : NodeFault(durations, shortest, longest)
{
    public override string Name => name;

    public override string Description => description;

    protected override Task<Breakage?> PlanAsync(FaultContext context)
    {
        var nodes = Shuffled(context)[..count];
        var names = string.Join(", ", nodes.Select(node => node.Name));
        return Task.FromResult<Breakage?>(new(
            $"SIGKILL to {names}",
            () => Task.WhenAll(nodes.Select(node => node.KillAsync())),
            () => StartAsync(context, nodes),
            $"{names} were started again"));
    }
}
