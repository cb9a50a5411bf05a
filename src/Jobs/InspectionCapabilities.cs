namespace Jobs;

/// <summary>
/// Which figures a transport knows that another one does not. All other figures of <see cref="JobInspector"/> are known
/// over every transport.
/// </summary>
[Flags]
public enum InspectionCapabilities
{
    /// <summary>Only the figures that every transport knows.</summary>
    None = 0,

    /// <summary><see cref="QueueInfo.Held"/>: how many jobs workers hold.</summary>
    Held = 1,

    /// <summary><see cref="QueueInfo.Delayed"/>: how many jobs of one queue are delayed.</summary>
    DelayedByQueue = 2,

    /// <summary><see cref="DelayedPage.Jobs"/>: which jobs are delayed.</summary>
    DelayedJobs = 4,

    /// <summary><see cref="QueueInfo.OldestAge"/>: for how long the oldest job has waited.</summary>
    OldestAge = 8,

    /// <summary>The broker itself counts how many jobs come and go, those of Python workers too.</summary>
    BrokerRates = 16,

    /// <summary>
    /// <see cref="QueuePage.Queues"/> has every queue, also queues that no worker takes from and no task names.
    /// </summary>
    AllQueues = 32,

    /// <summary><see cref="TransportInfo.Nodes"/>: the nodes of the cluster.</summary>
    Nodes = 64,
}
