using Jobs.Faults.Load;
using Jobs.Faults.Sites;

namespace Jobs.Faults.Faults;

/// <summary>Something that goes wrong, for a while.</summary>
abstract class Fault
{
    /// <summary>As <c>--fault</c> names it, for example <c>kill-leader</c>.</summary>
    public abstract string Name { get; }

    /// <summary>What it is, in a line, for the record.</summary>
    public abstract string Description { get; }

    /// <summary>What it breaks; a <see cref="Mixture"/> takes one of a kind.</summary>
    public virtual FaultKind Kind => FaultKind.Workers;

    /// <summary>Whether it can be done to this site; partitions, for example, need containers.</summary>
    public virtual bool CanBeDoneTo(Site site) => true;

    /// <summary>Breaks something, holds it, and mends it again. What was broken is mended even when this is cancelled or throws.</summary>
    public abstract Task InflictAsync(FaultContext context, CancellationToken cancellationToken);
}

/// <summary>What a fault may break.</summary>
/// <param name="Site">The cluster, its load balancer and its network.</param>
/// <param name="Workers">The worker processes of the run.</param>
/// <param name="Queues">The queues that the run uses.</param>
/// <param name="Random">The only source of chance: a seed gives the same run.</param>
/// <param name="Say">A line for the log of the run.</param>
sealed record FaultContext(Site Site, WorkerFleet Workers, IReadOnlyList<string> Queues, Random Random, Action<string> Say)
{
    /// <summary>The queue whose jobs may be lost, for <c>queue-purge</c> and <c>queue-delete</c>; none of <see cref="Queues"/>. Null: these two do nothing.</summary>
    public string? VictimQueue { get; init; }

    /// <summary>Where processes that a fault starts keep their records.</summary>
    public Logs.RunFolder? Folder { get; init; }

    /// <summary>Is told of what an operator would have had to do by hand to get the site well.</summary>
    public Action<string> ByHand { get; init; } = Say;
}

enum FaultKind
{
    /// <summary>Processes of nodes.</summary>
    Nodes,

    /// <summary>The network between nodes, or between them and the load balancer.</summary>
    Partition,

    /// <summary>The network between clients and the load balancer, and single connections.</summary>
    Clients,

    LoadBalancer,

    /// <summary>What the broker holds back because it is short of something.</summary>
    Alarm,

    /// <summary>Loses jobs by definition, but only those of <see cref="FaultContext.VictimQueue"/>.</summary>
    VictimQueue,

    /// <summary>The worker processes of the run.</summary>
    Workers,

    /// <summary>A database file, and the processes that share it.</summary>
    File,

    /// <summary>Several of the others.</summary>
    Mixture,
}
