using System.Text.Json.Serialization;

namespace Jobs;

/// <summary>How far a job has come.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<JobState>))]
public enum JobState
{
    /// <summary>
    /// Nothing is known of the job: the id is wrong, nobody asked for its result, or the result has expired.
    /// </summary>
    Unknown,

    /// <summary>The job has been enqueued, and has not started as far as this process was told.</summary>
    Queued,

    /// <summary>
    /// A worker runs the job. Over RabbitMQ callers hear of it only with <see cref="JobsOptions.TrackStarted"/>.
    /// </summary>
    Running,

    /// <summary>An attempt failed, and the job runs again later.</summary>
    Retrying,

    /// <summary>The task returned.</summary>
    Succeeded,

    /// <summary>The job has no attempts left, or can never run; it is a dead letter.</summary>
    Dead,

    /// <summary>The job expired before it could start.</summary>
    Expired,

    /// <summary>Somebody revoked the job.</summary>
    Revoked,
}

/// <summary>What is known of a job whose result was asked for.</summary>
public sealed record JobStatus
{
    /// <summary>The id of the job.</summary>
    public required string Id { get; init; }

    /// <summary>How far the job has come.</summary>
    public JobState State { get; init; }

    /// <summary>When the job was enqueued; <see langword="null"/> when this is not known.</summary>
    public DateTimeOffset? EnqueuedAt { get; init; }

    /// <summary>When its last run began; <see langword="null"/> when this is not known.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>When the job ended; <see langword="null"/> before that.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>How many runs of the job have begun, as far as this process was told.</summary>
    public int Attempts { get; init; }

    /// <summary>
    /// How much is done, from 0 to 1; <see langword="null"/> when the task has not reported any progress.
    /// </summary>
    public double? Progress { get; init; }

    /// <summary>What the task said with its progress.</summary>
    public string? ProgressText { get; init; }

    /// <summary>What went wrong; only when the job is retrying, dead, expired or revoked.</summary>
    public JobError? Error { get; init; }

    /// <summary>Whether the job has ended, well or not.</summary>
    public bool HasEnded => State >= JobState.Succeeded;

    /// <summary>The value that the task returned, as JSON; empty before the job has succeeded.</summary>
    internal ReadOnlyMemory<byte> Result { get; init; }

    /// <summary>The job has ended, but its value was dropped because too many values waited to be read.</summary>
    internal bool IsDropped { get; init; }

    /// <summary>
    /// What is known after this news, when <paramref name="known"/> was known before. News can overtake each other: a
    /// job that has ended does not run again because of late news. A later end replaces the end.
    /// </summary>
    internal JobStatus After(JobStatus? known)
    {
        if (known is null)
        {
            return this;
        }

        return known.HasEnded && !HasEnded ? known : this with
        {
            EnqueuedAt = EnqueuedAt ?? known.EnqueuedAt,
            StartedAt = StartedAt ?? known.StartedAt,
            Attempts = Math.Max(Attempts, known.Attempts),
            Progress = Progress ?? known.Progress,
            ProgressText = Progress is null ? known.ProgressText : ProgressText,
        };
    }
}

/// <summary>The failure of a job, as its worker reported it.</summary>
/// <param name="Type">
/// The full name of the exception's type, for example <c>System.IO.IOException</c>, or <c>builtins.ValueError</c> of a
/// Python worker.
/// </param>
/// <param name="Message">The message of the exception.</param>
/// <param name="Stack">The stack of the exception; <see langword="null"/> when the worker sent none.</param>
public sealed record JobError(string Type, string Message, string? Stack = null);
