using System.Globalization;
using Jobs.Events;

namespace Jobs.Inspection;

/// <summary>Makes the public answer of what the index keeps of a job.</summary>
static class JobAnswer
{
    public static JobInfo Of(JobRecord job)
    {
        var attempts = job.Attempts;
        var failure = Array.FindLast(attempts, attempt => attempt.Failure is not null).Failure;
        var last = attempts is [.., var newest] ? newest : default;
        return new()
        {
            Id = job.Key.ToString(),
            Task = job.Task,
            Queue = job.Queue,
            State = job.State,
            Worker = job.Worker,
            Arguments = JobText.Of(job.Args),
            NamedArguments = JobText.Of(job.Kwargs),
            Result = JobText.Of(job.Result),
            Error = failure?.ToError(),
            Retries = job.Retries,
            EnqueuedAt = Time(job.SentAt) ?? job.Key.Time,
            ReceivedAt = attempts is [var first, ..] ? Time(first.Received) : null,
            StartedAt = Time(last.Started),
            EndedAt = job.HasEnded ? Time(job.StateAt) : null,
            LastEventAt = Time(job.LastAt),
            Eta = Time(job.Eta),
            Expires = Time(job.Expires),
            Runtime = attempts.Length == 0 ? null : Seconds(last.Runtime),
            AttemptCount = attempts.Length + job.AttemptsLeftOut,
            Attempts = [.. attempts.Select(attempt => Of(attempt))],
            ParentId = job.Kin is { Parent: { IsNone: false } parent } ? parent.ToString() : null,
            RootId = job.Kin is { Root: { IsNone: false } root } ? root.ToString() : null,
            TraceId = job.TraceId == 0 ? null : job.TraceId.ToString("x32", CultureInfo.InvariantCulture),
        };
    }

    /// <summary>Adds what the transport keeps of a job whose result was asked for.</summary>
    public static JobInfo With(JobInfo known, JobStatus? status, SensitiveRule rule)
    {
        if (status is null)
        {
            return known;
        }

        var isNewer = known.State == JobState.Unknown || (status.HasEnded && (known.EndedAt is null || status.EndedAt > known.EndedAt));
        return known with
        {
            State = isNewer ? status.State : known.State,
            EnqueuedAt = known.EnqueuedAt ?? status.EnqueuedAt,
            StartedAt = known.StartedAt ?? status.StartedAt,
            EndedAt = known.EndedAt ?? status.EndedAt,
            Result = known.Result ?? ResultOf(status, rule),
            Error = known.Error ?? status.Error,
            AttemptCount = Math.Max(known.AttemptCount, status.Attempts),
            Progress = status.Progress,
            ProgressText = status.ProgressText,
        };
    }

    // As an event would show it.
    static string? ResultOf(JobStatus status, SensitiveRule rule) =>
        status.Result.IsEmpty ? null : PythonText.OfValue(status.Result.Span, rule, stackalloc char[PythonText.Longest]).ToString();

    public static DateTimeOffset? Time(long ticks) => ticks == 0 ? null : new DateTimeOffset(ticks, TimeSpan.Zero);

    static JobAttempt Of(in AttemptRecord attempt) => new()
    {
        Worker = attempt.Worker,
        Retry = attempt.Retry < 0 ? null : attempt.Retry,
        State = attempt.State,
        ReceivedAt = Time(attempt.Received),
        StartedAt = Time(attempt.Started),
        EndedAt = Time(attempt.Ended),
        Runtime = Seconds(attempt.Runtime),
        Error = attempt.Failure?.ToError(),
    };

    static TimeSpan? Seconds(float seconds) => seconds is >= 0 and < 1e9f ? TimeSpan.FromSeconds(seconds) : null;
}
