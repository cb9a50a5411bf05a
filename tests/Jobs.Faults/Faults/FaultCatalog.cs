using Jobs.Faults.Load;

namespace Jobs.Faults.Faults;

/// <summary>Every fault there is: of the cluster and its network, of the workers, of queues.</summary>
static class FaultCatalog
{
    /// <param name="load">The load of the run, or <see langword="null"/> to list the faults only.</param>
    /// <param name="quick">None is held for long.</param>
    public static IReadOnlyList<Fault> Create(LoadInFlight? load, bool quick) =>
    [
        .. AllFaults.For(quick ? FaultDurations.Quick : FaultDurations.Full, [.. WorkerFaults.All, new KillKeeper(load), .. FileFaults.All])
            .Select(fault => fault.Kind == FaultKind.VictimQueue ? new WatchedLoss(fault, load) : fault),
    ];

    /// <exception cref="ArgumentException">A name that there is not.</exception>
    public static IReadOnlyList<Fault> Choose(IReadOnlyList<Fault> all, IReadOnlyList<string> names)
    {
        if (names.Except(all.Select(fault => fault.Name)).ToList() is { Count: > 0 } unknown)
        {
            throw new ArgumentException($"There is no fault '{string.Join("', '", unknown)}'. There are: {string.Join(", ", all.Select(fault => fault.Name))}.");
        }

        return names.Count == 0 ? all : [.. all.Where(fault => names.Contains(fault.Name))];
    }
}
