namespace Jobs;

/// <summary>What a worker has last said of itself. Python workers do not say everything.</summary>
public sealed record WorkerInfo
{
    /// <summary>The name of the worker, such as <c>jobs@machine</c>.</summary>
    public required string Name { get; init; }

    /// <summary>
    /// Whether the worker lives: it was heard of within two of its heartbeats, and has not said goodbye.
    /// </summary>
    public bool IsAlive { get; init; }

    /// <summary>When the worker was last heard of.</summary>
    public DateTimeOffset LastSeenAt { get; init; }

    /// <summary>
    /// Since when the worker runs. A Python worker is known to run since its greeting, if the history has it.
    /// </summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>The id of the worker's process.</summary>
    public int? ProcessId { get; init; }

    /// <summary>The program: <c>jobs</c>, or <c>py-celery</c>.</summary>
    public string? Software { get; init; }

    /// <summary>The version of the program.</summary>
    public string? SoftwareVersion { get; init; }

    /// <summary>The operating system.</summary>
    public string? System { get; init; }

    /// <summary>How many jobs run now.</summary>
    public int? Active { get; init; }

    /// <summary>
    /// The jobs that run, at most the 100 oldest ones. Workers name them only while somebody asks, so the list is empty
    /// for a worker that has not heard of the question yet. Python workers name none.
    /// </summary>
    public IReadOnlyList<RunningJobInfo> Running { get; init; } = [];

    /// <summary>How many jobs the worker has taken since its start.</summary>
    public long? Processed { get; init; }

    /// <summary>The load of the machine over 1, 5 and 15 minutes.</summary>
    public IReadOnlyList<double> LoadAverage { get; init; } = [];

    /// <summary>The queues that the worker takes jobs from.</summary>
    public IReadOnlyList<string> Queues { get; init; } = [];

    /// <summary>How many jobs the worker can run at once.</summary>
    public int? Slots { get; init; }

    /// <summary>The version of the application.</summary>
    public string? Version { get; init; }
}
