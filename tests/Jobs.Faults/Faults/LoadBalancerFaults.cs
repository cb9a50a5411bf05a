using Jobs.Faults.Sites;

namespace Jobs.Faults.Faults;

/// <summary>A new process takes new connections; the old one ends, with its connections, 15 s later.</summary>
sealed class ReloadLoadBalancer(FaultDurations durations) : HeldFault(durations, 0, 16)
{
    public override string Name => "lb-reload";

    public override string Description => "The load balancer reloads; connections of its old process end 15 s later";

    public override FaultKind Kind => FaultKind.LoadBalancer;

    public override bool CanBeDoneTo(Site site) => site.OwnsNodes;

    protected override Task<Breakage?> PlanAsync(FaultContext context) => Task.FromResult<Breakage?>(new(
        "the load balancer reloads", context.Site.ReloadLoadBalancerAsync, () => Task.CompletedTask, "the load balancer has reloaded"));
}

/// <summary>Every connection ends, and new ones are refused for a while.</summary>
sealed class RestartLoadBalancer(FaultDurations durations) : HeldFault(durations, 0.5, 10)
{
    public override string Name => "lb-restart";

    public override string Description => "SIGKILL to the load balancer; it starts again";

    public override FaultKind Kind => FaultKind.LoadBalancer;

    public override bool CanBeDoneTo(Site site) => site.OwnsNodes;

    protected override Task<Breakage?> PlanAsync(FaultContext context) => Task.FromResult<Breakage?>(new(
        "SIGKILL to the load balancer", context.Site.KillLoadBalancerAsync, context.Site.StartLoadBalancerAsync, "the load balancer runs again"));
}
