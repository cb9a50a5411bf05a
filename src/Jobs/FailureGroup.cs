namespace Jobs;

/// <summary>Failures of the same kind: the same type of exception, thrown at the same place.</summary>
public sealed record FailureGroup
{
    /// <summary>The type of the exception, as the worker named it.</summary>
    public required string Type { get; init; }

    /// <summary>
    /// The place in the user's own code. .NET: the first line of the stack that is neither <c>System</c> nor
    /// <c>Microsoft</c>. Python: the last line that names a file outside installed packages. Where all lines are the
    /// framework's: the first line of .NET, the last of Python. Empty when the worker sent no stack.
    /// </summary>
    public string Frame { get; init; } = "";

    /// <summary>How many attempts failed so.</summary>
    public int Count { get; init; }

    /// <summary>How many jobs these attempts belong to.</summary>
    public int Jobs { get; init; }

    /// <summary>How many of these jobs are dead.</summary>
    public int Dead { get; init; }

    /// <summary>The tasks of these jobs, ordered by name.</summary>
    public IReadOnlyList<string> Tasks { get; init; } = [];

    /// <summary>The first of these failures.</summary>
    public DateTimeOffset First { get; init; }

    /// <summary>The last of these failures.</summary>
    public DateTimeOffset Last { get; init; }

    /// <summary>The job of the last failure.</summary>
    public required string LastJobId { get; init; }

    /// <summary>The message of the last failure.</summary>
    public string LastMessage { get; init; } = "";
}

/// <summary>The failures among the last 100,000 jobs, the most frequent kind first.</summary>
public sealed record FailurePage
{
    /// <summary>The kinds of failures.</summary>
    public IReadOnlyList<FailureGroup> Groups { get; init; } = [];

    /// <summary>All jobs since this time were looked at; <see langword="null"/> when the history is empty.</summary>
    public DateTimeOffset? SearchedBackTo { get; init; }

    /// <summary>
    /// Why this page may lack something; <see langword="null"/> when nothing is known to be missing.
    /// </summary>
    public string? Problem { get; init; }
}
