namespace Jobs;

/// <summary>What workers did in the last hour, minute by minute.</summary>
public sealed record ThroughputInfo
{
    /// <summary>The tasks that had something to do, ordered by task and then by queue: at most 1,000 of both together.</summary>
    public IReadOnlyList<TaskThroughput> Tasks { get; init; } = [];

    /// <summary>When the oldest minute begins: a whole minute, in UTC.</summary>
    public DateTimeOffset From { get; init; }

    /// <summary>
    /// From when on the counts are known. What workers did earlier was not heard of, so a minute before this time says
    /// nothing. <see langword="null"/> when nothing is known yet.
    /// </summary>
    public DateTimeOffset? KnownFrom { get; init; }

    /// <summary>
    /// Why this answer may lack something; <see langword="null"/> when nothing is known to be missing.
    /// </summary>
    public string? Problem { get; init; }
}

/// <summary>What workers did with the jobs of one task and queue.</summary>
public sealed record TaskThroughput
{
    /// <summary>
    /// The name of the task; <c>_unknown</c> for tasks that the worker does not have, and for a job whose name no event
    /// said.
    /// </summary>
    public required string Task { get; init; }

    /// <summary>The queue; empty when it is not known, as of Python workers.</summary>
    public required string Queue { get; init; }

    /// <summary>Always 60 minutes, the oldest first. The last one is the current minute.</summary>
    public required IReadOnlyList<ThroughputMinute> Minutes { get; init; }
}

/// <summary>
/// What workers did in one minute. Workers of Jobs tell their counts each second, so the edge of a minute is exact to a
/// second.
/// </summary>
public readonly record struct ThroughputMinute
{
    /// <summary>How many runs began.</summary>
    public long Started { get; init; }

    /// <summary>How many jobs succeeded.</summary>
    public long Succeeded { get; init; }

    /// <summary>How many jobs ended dead.</summary>
    public long Failed { get; init; }

    /// <summary>How many runs failed and will be repeated.</summary>
    public long Retried { get; init; }

    /// <summary>How many jobs expired before their run.</summary>
    public long Expired { get; init; }

    /// <summary>
    /// How long the runs that ended took together. Python workers say it only of runs that succeeded.
    /// </summary>
    public TimeSpan Runtime { get; init; }
}
