namespace Jobs;

/// <summary>A job that waits for its time.</summary>
public sealed record DelayedJobInfo
{
    /// <summary>The id of the job; <see langword="null"/> when its message has none.</summary>
    public string? Id { get; init; }

    /// <summary>The name of the task; <see langword="null"/> when the message names none.</summary>
    public string? Task { get; init; }

    /// <summary>The queue that the job will go to.</summary>
    public required string Queue { get; init; }

    /// <summary>When the job will go to its queue.</summary>
    public DateTimeOffset DueAt { get; init; }

    /// <summary>How many times the job was tried already: a retry is a job that waits for its time.</summary>
    public int Retries { get; init; }
}

/// <summary>Some delayed jobs, those that are due first in front.</summary>
public sealed record DelayedPage
{
    /// <summary>
    /// The jobs; none where the transport cannot list them. Needs <see cref="InspectionCapabilities.DelayedJobs"/>.
    /// </summary>
    public IReadOnlyList<DelayedJobInfo> Jobs { get; init; } = [];

    /// <summary>How many jobs are delayed in all queues.</summary>
    public long Total { get; init; }

    /// <summary>Where the next page begins; <see langword="null"/> on the last page.</summary>
    public string? Next { get; init; }
}
