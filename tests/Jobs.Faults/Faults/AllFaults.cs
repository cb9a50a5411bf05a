using Jobs.Faults.Sites;

namespace Jobs.Faults.Faults;

/// <summary>Every fault of brokers, networks and load balancers.</summary>
static class AllFaults
{
    /// <summary>As long as they like to be.</summary>
    public static IReadOnlyList<Fault> Full { get; } = For(FaultDurations.Full);

    /// <summary>None is held longer than 5 s. A start of nodes takes what it takes.</summary>
    public static IReadOnlyList<Fault> Quick { get; } = For(FaultDurations.Quick);

    /// <param name="durations">Bounds how long each is held.</param>
    /// <param name="further">Other faults that a <see cref="Mixture"/> may choose too, for example of workers; returned with the rest.</param>
    public static IReadOnlyList<Fault> For(FaultDurations durations, params IEnumerable<Fault> further)
    {
        Fault[] faults =
        [
            new KillNode(KillNode.Victim.Leader, durations),
            new KillNode(KillNode.Victim.Follower, durations),
            new KillNode(KillNode.Victim.Connected, durations),
            new KillNode(KillNode.Victim.History, durations),
            new KillSeveral("kill-all", "SIGKILL to all nodes at once; all start at the same time", 3, durations, 0, 5),
            new KillSeveral("two-nodes-down", "SIGKILL to two of three nodes; the third waits for a majority for a minute", 2, durations, 60, 60),
            new DrainNodes(all: false, durations),
            new DrainNodes(all: true, durations),
            new PauseNode(durations),
            new PartitionNode("partition-node", "One node and the two others do not reach each other", [Cut.FromNodes], durations),
            new PartitionNode("partition-asymmetric", "One node hears the others and they do not hear it, or the other way round", [Cut.Mute, Cut.Deaf], durations),
            new PartitionNode("partition-clients", "The load balancer and one node do not reach each other; the nodes do", [Cut.FromClients], durations),
            new ResetConnections(durations),
            new StallNetwork(durations),
            new HalfOpen(durations),
            new CutAfterBytes(durations),
            new DeleteConnections(durations),
            new ReloadLoadBalancer(durations),
            new RestartLoadBalancer(durations),
            new RaiseAlarm(Alarm.Memory, durations),
            new RaiseAlarm(Alarm.Disk, durations),
            new LoseQueue(delete: false, durations),
            new LoseQueue(delete: true, durations),
            .. further,
        ];
        return [.. faults, new Mixture(faults, durations)];
    }
}
