using Jobs.Faults.Sites;

namespace Jobs.Faults.Faults;

/// <summary>Maintenance as an operator does it: drain, stop, start, revive; one node after the other.</summary>
/// <param name="all">All nodes, or one.</param>
sealed class DrainNodes(bool all, FaultDurations durations) : NodeFault(durations, 1, 10)
{
    readonly FaultDurations durations = durations;

    public override string Name => all ? "rolling-restart" : "drain-node";

    public override string Description => all
        ? "Drains, stops, starts and revives all nodes, one after the other"
        : "Drains, stops, starts and revives one node";

    protected override Task<Breakage?> PlanAsync(FaultContext context)
    {
        var nodes = all ? Shuffled(context) : Shuffled(context)[..1];
        var names = string.Join(", then ", nodes.Select(node => node.Name));
        var away = new List<SiteNode>();
        return Task.FromResult<Breakage?>(new(
            $"drain and stop of {names}",
            async () =>
            {
                foreach (var node in nodes)
                {
                    await StopAsync(node);
                    if (node == nodes[^1])
                        return;
                    await Task.Delay(durations.Hold(context.Random, 1, 5));
                    await ComeBackAsync(node);
                }
            },
            async () =>
            {
                foreach (var node in away.ToArray())
                    await ComeBackAsync(node);
            },
            $"{nodes[^1]} was started and revived"));

        async Task StopAsync(SiteNode node)
        {
            away.Add(node);
            await TryAsync(context, $"drain of {node}", node.DrainAsync);
            await node.StopAsync();
        }

        async Task ComeBackAsync(SiteNode node)
        {
            await StartAsync(context, node);
            await TryAsync(context, $"revival of {node}", node.ReviveAsync);
            away.Remove(node);
        }
    }
}
