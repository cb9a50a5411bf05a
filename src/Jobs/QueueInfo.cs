namespace Jobs;

/// <summary>
/// What is known of a queue. A figure is <see langword="null"/> when nobody can know it now:
/// <see cref="JobInspector.Capabilities"/> says which figures the transport never knows.
/// </summary>
public sealed record QueueInfo
{
    /// <summary>The name of the queue.</summary>
    public required string Name { get; init; }

    /// <summary>
    /// How many jobs wait to be delivered. A quorum queue of RabbitMQ says this some seconds late.
    /// </summary>
    public long? Waiting { get; init; }

    /// <summary>
    /// How many jobs run now, as the workers of Jobs say. Each worker names its 100 oldest runs at most, and Python
    /// workers name none.
    /// </summary>
    public int Running { get; init; }

    /// <summary>
    /// How many jobs workers hold: those that run, and those that wait for a slot. Needs
    /// <see cref="InspectionCapabilities.Held"/>.
    /// </summary>
    public long? Held { get; init; }

    /// <summary>
    /// How many jobs wait for their time. Needs <see cref="InspectionCapabilities.DelayedByQueue"/>.
    /// </summary>
    public long? Delayed { get; init; }

    /// <summary>
    /// How many dead letters came from the queue; <see langword="null"/> when the keeper did not answer.
    /// </summary>
    public int? Dead { get; init; }

    /// <summary>How many workers take jobs from the queue.</summary>
    public int? Consumers { get; init; }

    /// <summary>
    /// How many jobs come into the queue in a second. Without <see cref="InspectionCapabilities.BrokerRates"/> the
    /// inspector counts between two calls that are at least a second apart, so the first call does not know it.
    /// </summary>
    public double? InRate { get; init; }

    /// <summary>
    /// How many jobs leave the queue in a second. Without <see cref="InspectionCapabilities.BrokerRates"/> these are the
    /// jobs that workers of Jobs ended within the last ten seconds.
    /// </summary>
    public double? OutRate { get; init; }

    /// <summary>
    /// For how long the oldest job has waited; <see langword="null"/> when no job waits. Needs
    /// <see cref="InspectionCapabilities.OldestAge"/>.
    /// </summary>
    public TimeSpan? OldestAge { get; init; }

    /// <summary>
    /// How long a job had waited that a worker of Jobs received within the last ten seconds, or since it was due;
    /// <see langword="null"/> when there was none.
    /// </summary>
    public TimeSpan? Wait { get; init; }
}

/// <summary>The queues, ordered by name.</summary>
public sealed record QueuePage
{
    /// <summary>The queues that the transport, a worker or this program knows.</summary>
    public IReadOnlyList<QueueInfo> Queues { get; init; } = [];

    /// <summary>
    /// Why this page may lack something; <see langword="null"/> when nothing is known to be missing.
    /// </summary>
    public string? Problem { get; init; }
}
