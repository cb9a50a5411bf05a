namespace Jobs;

/// <summary>A job that a worker runs now.</summary>
public sealed record RunningJobInfo
{
    /// <summary>The id of the job.</summary>
    public required string Id { get; init; }

    /// <summary>The name of the task.</summary>
    public string? Task { get; init; }

    /// <summary>The queue that the job came from.</summary>
    public string? Queue { get; init; }

    /// <summary>The worker.</summary>
    public required string Worker { get; init; }

    /// <summary>When the run began, exact to a second, by the clock of this process.</summary>
    public DateTimeOffset StartedAt { get; init; }
}
