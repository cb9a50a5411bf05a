using System.IO.Enumeration;

namespace Jobs;

/// <summary>A job that can never run, as the index of dead letters knows it.</summary>
public sealed record DeadLetterInfo
{
    /// <summary>The id of the job; a hash of the message, when the message has no id.</summary>
    public required string Id { get; init; }

    /// <summary>The task of the job; <see langword="null"/> when the message names none.</summary>
    public string? Task { get; init; }

    /// <summary>The queue that the job came from; <see langword="null"/> when nobody knows.</summary>
    public string? Queue { get; init; }

    /// <summary>What happened, in a sentence.</summary>
    public required string Reason { get; init; }

    /// <summary>
    /// The type of the exception that the job threw last; <see langword="null"/> when it threw nothing.
    /// </summary>
    public string? ExceptionType { get; init; }

    /// <summary>Where it failed: see <see cref="FailureGroup.Frame"/>. <see langword="null"/> when there is no stack.</summary>
    public string? Frame { get; init; }

    /// <summary>When the job died, in UTC.</summary>
    public DateTimeOffset At { get; init; }

    /// <summary>How often the job ran.</summary>
    public int Attempts { get; init; }
}

/// <summary>Which dead letters. Each property that is set narrows the selection; a new query selects all.</summary>
public sealed record DeadLetterQuery
{
    /// <summary>The ids of the jobs. Defaults to any.</summary>
    public IReadOnlyCollection<string>? Ids { get; init; }

    /// <summary>The task, or a pattern in which a star stands for any text. Defaults to any.</summary>
    public string? Task { get; init; }

    /// <summary>The queue that the jobs came from. Defaults to any.</summary>
    public string? Queue { get; init; }

    /// <summary>
    /// The type of the exception, with its namespace or without it, as <see cref="FailureGroup.Type"/> has it. Defaults
    /// to any.
    /// </summary>
    public string? ExceptionType { get; init; }

    /// <summary>
    /// Where it failed: see <see cref="FailureGroup.Frame"/>. An empty text is a place that nobody knows. Defaults to any.
    /// </summary>
    public string? Frame { get; init; }

    /// <summary>A part of the reason, in upper or lower case. Defaults to any.</summary>
    public string? Text { get; init; }

    /// <summary>Jobs that died at this time or later. Defaults to any.</summary>
    public DateTimeOffset? From { get; init; }

    /// <summary>Jobs that died before this time. Defaults to any.</summary>
    public DateTimeOffset? To { get; init; }

    /// <summary>Whether the query selects this letter.</summary>
    public bool Selects(DeadLetterInfo letter)
    {
        ArgumentNullException.ThrowIfNull(letter);
        return (Ids is null || Ids.Contains(letter.Id))
            && (Task is null || Task == letter.Task || FileSystemName.MatchesSimpleExpression(Task, letter.Task, ignoreCase: false))
            && (Queue is null || Queue == letter.Queue)
            && (ExceptionType is null || IsOfType(letter.ExceptionType, ExceptionType))
            && (Frame is null || Frame == (letter.Frame ?? ""))
            && (Text is null || letter.Reason.Contains(Text, StringComparison.OrdinalIgnoreCase))
            && (From is null || letter.At >= From)
            && (To is null || letter.At < To);
    }

    static bool IsOfType(string? type, string asked) =>
        type == asked || (type?.Length > asked.Length && type.EndsWith(asked, StringComparison.Ordinal) && type[^(asked.Length + 1)] == '.');
}

/// <summary>Some dead letters, the newest first.</summary>
public sealed record DeadLetterPage
{
    /// <summary>The letters.</summary>
    public required IReadOnlyList<DeadLetterInfo> Letters { get; init; }

    /// <summary>How many letters the query selects, on all pages.</summary>
    public int Total { get; init; }

    /// <summary>Where the next page begins; <see langword="null"/> on the last page.</summary>
    public string? Next { get; init; }
}

/// <summary>Dead letters that failed with the same exception at the same place.</summary>
public sealed record DeadLetterGroup
{
    /// <summary>The type of the exception; <see langword="null"/> for letters without one.</summary>
    public string? ExceptionType { get; init; }

    /// <summary>Where it failed: see <see cref="FailureGroup.Frame"/>.</summary>
    public string? Frame { get; init; }

    /// <summary>The reason of the newest letter.</summary>
    public required string Reason { get; init; }

    /// <summary>How many letters.</summary>
    public int Count { get; init; }

    /// <summary>Their tasks, in order.</summary>
    public required IReadOnlyList<string> Tasks { get; init; }

    /// <summary>When the first of these jobs died.</summary>
    public DateTimeOffset First { get; init; }

    /// <summary>When the last of these jobs died.</summary>
    public DateTimeOffset Last { get; init; }
}
