using Jobs.Faults.Sites;

namespace Jobs.Faults.Faults;

/// <summary>Two or three faults of different kinds that overlap, each with a start of its own.</summary>
/// <param name="others">To choose from.</param>
sealed class Mixture(IReadOnlyList<Fault> others, FaultDurations durations) : Fault
{
    public override string Name => "mixture";

    public override string Description => "Two or three of the others, of different kinds, that overlap";

    public override FaultKind Kind => FaultKind.Mixture;

    public override bool CanBeDoneTo(Site site) => KindsFor(site).Count() >= 2;

    public override async Task InflictAsync(FaultContext context, CancellationToken cancellationToken)
    {
        IGrouping<FaultKind, Fault>[] kinds = [.. KindsFor(context.Site)];
        context.Random.Shuffle(kinds);
        Fault[] chosen = [.. kinds.Take(context.Random.Next(2, 4)).Select(kind => kind.ElementAt(context.Random.Next(kind.Count())))];
        context.Say($"{Name}: {string.Join(" + ", chosen.Select(fault => fault.Name))}");

        // Each has its own chance: they run at the same time, and Random does not allow that.
        var parts = chosen.Select(fault => (fault, context with { Random = new Random(context.Random.Next()) })).ToArray();
        await Task.WhenAll(parts.Select((part, index) => InflictLaterAsync(part.fault, part.Item2, index)));
        context.Say($"{Name}: all of it has mended");

        async Task InflictLaterAsync(Fault fault, FaultContext part, int index)
        {
            if (index > 0)
                await Task.Delay(durations.Hold(part.Random, 0, 5), cancellationToken);
            await fault.InflictAsync(part, cancellationToken);
        }
    }

    // A lost queue needs accounting of its own, and a mixture should be held to what the others are held to.
    IEnumerable<IGrouping<FaultKind, Fault>> KindsFor(Site site) =>
        others.Where(fault => fault.Kind != FaultKind.VictimQueue && fault.CanBeDoneTo(site)).GroupBy(fault => fault.Kind).OrderBy(group => group.Key);
}
