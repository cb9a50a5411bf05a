namespace Jobs;

/// <summary>
/// What the history knows of a job, from the events that workers have sent. Texts are cut at 2 KiB. By default workers
/// tell of failures, retries and revoked jobs one by one, and of successes only in numbers.
/// </summary>
public sealed record JobInfo
{
    /// <summary>The id of the job.</summary>
    public required string Id { get; init; }

    /// <summary>The name of the task; <see langword="null"/> when no event said it.</summary>
    public string? Task { get; init; }

    /// <summary>The queue; <see langword="null"/> when no event said it. Python workers do not say it.</summary>
    public string? Queue { get; init; }

    /// <summary>How far the job has come. <see cref="JobState.Unknown"/> when the history has no event of it.</summary>
    public JobState State { get; init; }

    /// <summary>The worker of the last attempt.</summary>
    public string? Worker { get; init; }

    /// <summary>
    /// The arguments as text, in Python's notation, without what is sensitive (<see cref="SensitiveAttribute"/>).
    /// </summary>
    public string? Arguments { get; init; }

    /// <summary>The named arguments as text.</summary>
    public string? NamedArguments { get; init; }

    /// <summary>
    /// The value that the task returned, as text in Python's notation, without what is sensitive; only of a job whose
    /// value somebody needs.
    /// </summary>
    public string? Result { get; init; }

    /// <summary>The failure of the last attempt that failed.</summary>
    public JobError? Error { get; init; }

    /// <summary>How many times the job was tried again.</summary>
    public int Retries { get; init; }

    /// <summary>When the job was enqueued: from an event, or from the time inside the id.</summary>
    public DateTimeOffset? EnqueuedAt { get; init; }

    /// <summary>When a worker first received the job.</summary>
    public DateTimeOffset? ReceivedAt { get; init; }

    /// <summary>When the last attempt began.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>When the job ended; <see langword="null"/> while it has not.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>The time of the newest event.</summary>
    public DateTimeOffset? LastEventAt { get; init; }

    /// <summary>The time before which the job may not start.</summary>
    public DateTimeOffset? Eta { get; init; }

    /// <summary>The time after which the job may not start.</summary>
    public DateTimeOffset? Expires { get; init; }

    /// <summary>How long the task of the last attempt ran.</summary>
    public TimeSpan? Runtime { get; init; }

    /// <summary>How many attempts are known, also those that are not listed.</summary>
    public int AttemptCount { get; init; }

    /// <summary>The attempts, oldest first: the first one and the last 31.</summary>
    public IReadOnlyList<JobAttempt> Attempts { get; init; } = [];

    /// <summary>The job that enqueued this one.</summary>
    public string? ParentId { get; init; }

    /// <summary>The first job of the chain or group.</summary>
    public string? RootId { get; init; }

    /// <summary>
    /// The W3C trace that the job's message belongs to, as 32 hexadecimal digits; <see langword="null"/> when it belongs to
    /// none, or no event said it. Python workers do not say it.
    /// </summary>
    public string? TraceId { get; init; }

    /// <summary>
    /// The jobs among the last 100,000 that this one enqueued, at most 1,000. Only <see cref="JobInspector.GetJobAsync"/>
    /// fills it.
    /// </summary>
    public IReadOnlyList<string> Children { get; init; } = [];

    /// <summary>
    /// The jobs among the last 100,000 that have the first job of the chain or group in common, this job too, in the order
    /// in which they were first heard of; at most 1,000, and none for a job that stands alone. Only
    /// <see cref="JobInspector.GetJobAsync"/> fills it.
    /// </summary>
    public IReadOnlyList<string> Chain { get; init; } = [];

    /// <summary>
    /// How much is done, from 0 to 1, of a job whose result was asked for. Only <see cref="JobInspector.GetJobAsync"/>
    /// fills it, where the transport keeps results for every process: in memory and over SQLite.
    /// </summary>
    public double? Progress { get; init; }

    /// <summary>What the task said with its progress.</summary>
    public string? ProgressText { get; init; }

    /// <summary>How far back the history was read for this answer. Only <see cref="JobInspector.GetJobAsync"/> fills it.</summary>
    public DateTimeOffset? SearchedBackTo { get; init; }

    /// <summary>
    /// Why this answer may lack something; <see langword="null"/> when nothing is known to be missing. Only
    /// <see cref="JobInspector.GetJobAsync"/> fills it.
    /// </summary>
    public string? Problem { get; init; }
}

/// <summary>One run of a job by one worker, from its delivery to its end.</summary>
public sealed record JobAttempt
{
    /// <summary>The worker.</summary>
    public string? Worker { get; init; }

    /// <summary>
    /// How many retries came before, as the worker said; <see langword="null"/> when this is not known. Two attempts
    /// have the same number when one of them was interrupted.
    /// </summary>
    public int? Retry { get; init; }

    /// <summary>
    /// How far the attempt came. <see cref="JobState.Retrying"/>: it failed or was interrupted, and the job runs again.
    /// </summary>
    public JobState State { get; init; }

    /// <summary>When the worker received the job.</summary>
    public DateTimeOffset? ReceivedAt { get; init; }

    /// <summary>When the task began.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>When the attempt ended.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>How long the task ran; only known of attempts that succeeded.</summary>
    public TimeSpan? Runtime { get; init; }

    /// <summary>What went wrong.</summary>
    public JobError? Error { get; init; }
}
