using System.Diagnostics.CodeAnalysis;

namespace Jobs;

/// <summary>
/// The environment failed: a broker, a connection, a message. Misuse of the API throws the framework's own exceptions
/// instead.
/// </summary>
public abstract class JobsException(string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>
    /// Whether the same call may succeed later, without a change to program, configuration or broker.
    /// </summary>
    public virtual bool IsTransient => false;
}

/// <summary>A job was not enqueued, or nobody knows whether it was.</summary>
public sealed class JobPublishException(string jobId, bool maybeEnqueued, bool isTransient, string message, Exception? inner = null)
    : JobsException(message, inner)
{
    /// <summary>
    /// The id of the job. Enqueue the job again with this id: then a first copy that did arrive can be recognised.
    /// </summary>
    public string JobId { get; } = jobId;

    /// <summary>
    /// <see langword="true"/>: the broker may hold the job. <see langword="false"/>: the broker does not hold the job.
    /// </summary>
    public bool MaybeEnqueued { get; } = maybeEnqueued;

    /// <inheritdoc/>
    public override bool IsTransient { get; } = isTransient;
}

/// <summary>
/// Some jobs of <see cref="IJobDispatcher.EnqueueManyAsync(IEnumerable{Job}, CancellationToken)"/> were not enqueued,
/// or their sequence threw.
/// </summary>
/// <param name="handles">A handle per job, or <see langword="null"/>.</param>
/// <param name="failures">What went wrong, by position.</param>
/// <param name="sequence">
/// What the sequence of jobs threw; <see langword="null"/> when the sequence did not throw.
/// </param>
public sealed class JobBatchException(IReadOnlyList<JobHandle?> handles, IReadOnlyDictionary<int, Exception> failures, Exception? sequence = null)
    : JobsException(Text(handles, failures, sequence), sequence ?? failures.First().Value)
{
    /// <summary>
    /// A handle per job in the order given; <see langword="null"/> for a job that failed. When the sequence threw, the
    /// list ends with the last job that the sequence gave.
    /// </summary>
    public IReadOnlyList<JobHandle?> Handles { get; } = handles;

    /// <summary>What went wrong, by position in the order given.</summary>
    public IReadOnlyDictionary<int, Exception> Failures { get; } = failures;

    /// <inheritdoc/>
    public override bool IsTransient => sequence is null && Failures.Values.All(f => f is JobsException { IsTransient: true });

    static string Text(IReadOnlyList<JobHandle?> handles, IReadOnlyDictionary<int, Exception> failures, Exception? sequence) => sequence is null
        ? $"{failures.Count} of {handles.Count} jobs were not enqueued; the first: {ExceptionText.Message(failures.First().Value)}"
        : $"The sequence of jobs threw after {handles.Count} jobs, {handles.Count - failures.Count} of which are enqueued: {ExceptionText.Message(sequence)}";
}

/// <summary>
/// <see cref="IJobDispatcher.EnqueueManyAsync(IEnumerable{Job}, CancellationToken)"/> was cancelled while some of its
/// jobs were enqueued.
/// </summary>
/// <param name="handles">A handle per job, or <see langword="null"/>.</param>
/// <param name="failures">What went wrong, by position.</param>
/// <param name="cancellationToken">The caller's token.</param>
/// <param name="sequence">What the sequence of jobs threw, when it did.</param>
public sealed class JobBatchCanceledException(
    IReadOnlyList<JobHandle?> handles, IReadOnlyDictionary<int, Exception> failures, CancellationToken cancellationToken, Exception? sequence = null)
    : OperationCanceledException($"Cancelled after {handles.Count} jobs, {handles.Count - failures.Count} of which are enqueued.", sequence, cancellationToken)
{
    /// <summary>
    /// A handle per job that was taken from the sequence, in the order of the sequence; <see langword="null"/> for a
    /// job that is not enqueued, or perhaps not.
    /// </summary>
    public IReadOnlyList<JobHandle?> Handles { get; } = handles;

    /// <summary>
    /// What went wrong, by position in the order given. A job with an <see cref="OperationCanceledException"/> may or
    /// may not be enqueued.
    /// </summary>
    public IReadOnlyDictionary<int, Exception> Failures { get; } = failures;
}

/// <summary>
/// A message that follows a job (its retry copy, its dead letter) was not written, so the job has not left its queue.
/// </summary>
[Experimental("JOBS0001")]
public sealed class JobSettlementException(IReadOnlyDictionary<int, Exception> failures)
    : JobsException(
        $"{failures.Count} messages that follow a job were not written; the first: {ExceptionText.Message(failures.First().Value)}",
        failures.First().Value)
{
    /// <summary>
    /// What went wrong, by position in the list of messages to write. All other messages are durable.
    /// </summary>
    public IReadOnlyDictionary<int, Exception> Failures { get; } = failures;

    /// <summary>
    /// Whether a later try may succeed. When not, the transport refuses each of these messages for good.
    /// </summary>
    public override bool IsTransient => Failures.Values.Any(f => f is not JobPublishException { IsTransient: false });
}

/// <summary>
/// The transport could not be set up: wrong password, unknown virtual host, a queue that exists with other arguments.
/// </summary>
public sealed class JobTransportException(string message, bool isTransient = false, Exception? inner = null) : JobsException(message, inner)
{
    /// <inheritdoc/>
    public override bool IsTransient { get; } = isTransient;
}

/// <summary>
/// A message cannot be read as a job of its task, or a result cannot be written. The job goes to the dead-letter queue,
/// with the text of this exception as the reason.
/// </summary>
public sealed class JobFormatException(string message, Exception? inner = null) : JobsException(message, inner);

/// <summary>
/// A task throws this to ask for a retry after a delay of its own choice. The retry counts against <c>MaxRetries</c>.
/// </summary>
/// <param name="after">How long to wait. Defaults to the delay of the task's retry policy.</param>
/// <param name="message">Why. Jobs logs the reason, and keeps it with the job when this was the last attempt.</param>
/// <param name="inner">The cause, if any.</param>
public sealed class RetryJobException(TimeSpan? after = null, string? message = null, Exception? inner = null)
    : Exception(message ?? "The task asked to be run again.", inner)
{
    /// <summary>How long to wait, or <see langword="null"/> for the delay of the task's retry policy.</summary>
    public TimeSpan? After { get; } = after;
}

/// <summary>
/// A task throws this when there is nothing to do yet, to run the job again later: for a task that polls. Unlike
/// <see cref="RetryJobException"/>, a snooze is no failure and spends no attempt.
/// </summary>
/// <param name="delay">How long to wait; 0 to about 8 years.</param>
/// <param name="message">Why. It is logged, and kept with the job when the job expires before it can run again.</param>
public sealed class SnoozeJobException(TimeSpan delay, string? message = null) : Exception(message ?? "The task asked to be run later.")
{
    /// <summary>How long to wait.</summary>
    public TimeSpan Delay { get; } = delay;
}

/// <summary>
/// A task throws this when the job must never run again. The job goes to the dead-letter queue at once.
/// </summary>
/// <param name="reason">Why. The reason is kept with the job.</param>
/// <param name="inner">The cause, if any.</param>
public sealed class DeadJobException(string reason, Exception? inner = null) : Exception(reason, inner);

/// <summary>
/// A job whose result somebody asked for has ended without a result: it is dead, expired or revoked. Thrown to the
/// caller who waits for the result; the worker may be another program, in another language.
/// </summary>
public sealed class JobFailedException : JobsException
{
    /// <param name="status">How the job ended.</param>
    public JobFailedException(JobStatus status)
        : base(Text(status)) => Status = status;

    /// <summary>How the job ended: its state, its attempts and its error.</summary>
    public JobStatus Status { get; }

    /// <summary>The failure as the worker reported it: type, message and stack of the far side.</summary>
    public JobError? Error => Status.Error;

    static string Text(JobStatus status)
    {
        ArgumentNullException.ThrowIfNull(status);
        return status.State switch
        {
            JobState.Expired => $"Job {status.Id} expired before it could start.",
            JobState.Revoked => $"Job {status.Id} was revoked.",
            _ => $"Job {status.Id} failed with {status.Error?.Type}: {status.Error?.Message}",
        };
    }
}
