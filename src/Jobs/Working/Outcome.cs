using Jobs.Diagnostics;
using Jobs.Wire;

namespace Jobs.Working;

/// <summary>
/// The outcome of an attempt: a closed set. <see cref="FollowUps"/> makes the messages that follow each.
/// </summary>
abstract record Outcome
{
    Outcome()
    {
    }

    /// <summary>The task returned.</summary>
    /// <param name="Result">The value that the task returned, as JSON; empty when nobody wants it.</param>
    public sealed record Succeeded(ReadOnlyMemory<byte> Result) : Outcome
    {
        public static readonly Succeeded WithoutResult = new(ReadOnlyMemory<byte>.Empty);
    }

    /// <summary>The task failed, and the job has attempts left: the job runs again later.</summary>
    public sealed record Retry(TimeSpan Delay, DateTimeOffset Eta, int MaxRetries, Exception Failure) : Outcome;

    /// <summary>
    /// The job came before its time, or its task asked for a later run. The job goes into the transport's delay, and
    /// spends no attempt.
    /// </summary>
    /// <param name="Delay">How long the transport delays the job.</param>
    /// <param name="Eta">
    /// When the task asked to run again; <see langword="null"/> for a job that came too early, and keeps its own eta.
    /// </param>
    /// <param name="Why">What the task said of it.</param>
    public sealed record Postponed(TimeSpan Delay, DateTimeOffset? Eta = null, string? Why = null) : Outcome;

    /// <summary>The job can never run.</summary>
    /// <param name="Letter">Why.</param>
    /// <param name="Error">Why, in one word for metrics.</param>
    /// <param name="Failure">What the task threw, if it ran.</param>
    public sealed record Dead(DeadLetter Letter, string Error, Exception? Failure) : Outcome
    {
        public static Dead Of(Attempt attempt, string reason, string error, Exception? failure, DateTimeOffset now)
        {
            var letter = new DeadLetter { Reason = reason, At = now, Queue = attempt.Delivery.Queue, Attempts = attempt.Number };
            return new(letter.Of(failure), error, failure);
        }

        /// <summary>What the caller is told.</summary>
        public JobError News() => Error switch
        {
            TelemetryNames.Error.UnknownTask => new(ResultMessage.NotRegistered, Letter.Reason),
            _ when Failure is not null => ErrorOf(Failure) with { Stack = Letter.Stack },
            _ => new(typeof(DeadJobException).FullName!, Letter.Reason),
        };

        /// <summary>An exception of a task, as its caller is told of it.</summary>
        public static JobError ErrorOf(Exception e) => new(e.GetType().FullName ?? e.GetType().Name, ExceptionText.Message(e), ExceptionText.Whole(e));
    }

    /// <summary>The job expired before its first run, and is dropped.</summary>
    /// <param name="At">When the job expired.</param>
    /// <param name="Seen">When a worker saw that: the end of the job.</param>
    public sealed record Expired(DateTimeOffset At, DateTimeOffset Seen) : Outcome;

    /// <summary>The worker stopped before the job had ended. The worker gives the job back as it came.</summary>
    public sealed record Interrupted : Outcome
    {
        public static readonly Interrupted Instance = new();
    }
}
