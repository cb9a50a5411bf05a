namespace Jobs;

/// <summary>
/// Which jobs of the history to find. What is <see langword="null"/> or empty counts for nothing; the rest must hold
/// together.
/// </summary>
public sealed record JobQuery
{
    /// <summary>The name of the task. A star stands for any text.</summary>
    public string? Task { get; init; }

    /// <summary>The id of the job, or its beginning.</summary>
    public string? Id { get; init; }

    /// <summary>The queue. A star stands for any text.</summary>
    public string? Queue { get; init; }

    /// <summary>The worker that had the job last. A star stands for any text.</summary>
    public string? Worker { get; init; }

    /// <summary>One of these states.</summary>
    public IReadOnlyList<JobState> States { get; init; } = [];

    /// <summary>A text within the arguments, without regard to case.</summary>
    public string? ArgumentText { get; init; }

    /// <summary>A text within the exception or its stack, without regard to case.</summary>
    public string? ErrorText { get; init; }

    /// <summary>The type of the exception of an attempt: see <see cref="FailureGroup.Type"/>.</summary>
    public string? ErrorType { get; init; }

    /// <summary>
    /// The place where that exception was thrown: see <see cref="FailureGroup.Frame"/>. An empty text is a place that
    /// nobody knows.
    /// </summary>
    public string? ErrorFrame { get; init; }

    /// <summary>Only jobs with an event at this time or later.</summary>
    public DateTimeOffset? From { get; init; }

    /// <summary>Only jobs with an event at this time or earlier.</summary>
    public DateTimeOffset? To { get; init; }

    /// <summary><see cref="JobPage.Next"/> of the page before.</summary>
    public string? Cursor { get; init; }

    /// <summary>How many jobs a page has at most, 1 to 1,000. Defaults to 50.</summary>
    public int PageSize { get; init; } = 50;

    /// <summary>
    /// How long the search may take. After this time the page has what was found so far. Defaults to 5 seconds.
    /// </summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(5);
}

/// <summary>A page of jobs, the newest first: in the order of their first events.</summary>
public sealed record JobPage
{
    /// <summary>The jobs.</summary>
    public IReadOnlyList<JobInfo> Jobs { get; init; } = [];

    /// <summary>
    /// The cursor of the next page; <see langword="null"/> when the whole history was searched. A page can be empty and
    /// have a next one, when the time was over before a job was found.
    /// </summary>
    public string? Next { get; init; }

    /// <summary>All jobs since this time were looked at; <see langword="null"/> when the history is empty.</summary>
    public DateTimeOffset? SearchedBackTo { get; init; }

    /// <summary>
    /// Why this page may lack something; <see langword="null"/> when nothing is known to be missing.
    /// </summary>
    public string? Problem { get; init; }
}
