using System.Diagnostics.CodeAnalysis;

namespace Jobs;

/// <summary>Something around us failed: a broker, a connection, a message. Misuse of the API throws the framework's own exceptions instead.</summary>
public abstract class JobsException(string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Whether the same call may succeed later without a change to program, configuration or broker.</summary>
    public virtual bool IsTransient => false;
}

/// <summary>A job could not be enqueued, or it is not known whether it was.</summary>
public sealed class JobPublishException(string jobId, bool maybeEnqueued, bool isTransient, string message, Exception? inner = null)
    : JobsException(message, inner)
{
    /// <summary>The id of the job. Enqueue it again with this id, so that a copy that did arrive can be recognised.</summary>
    public string JobId { get; } = jobId;

    /// <summary><see langword="true"/>: the broker may hold the job. <see langword="false"/>: it certainly does not.</summary>
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
/// <param name="sequence">What the sequence of jobs threw, when it did.</param>
public sealed class JobBatchException(IReadOnlyList<JobHandle?> handles, IReadOnlyDictionary<int, Exception> failures, Exception? sequence = null)
    : JobsException(Text(handles, failures, sequence), sequence ?? failures.First().Value)
{
    /// <summary>
    /// A handle per job in the order given; <see langword="null"/> where it failed. When the sequence threw, it ends
    /// with the last job that the sequence gave.
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

/// <summary><see cref="IJobDispatcher.EnqueueManyAsync(IEnumerable{Job}, CancellationToken)"/> was cancelled while some of its jobs were enqueued.</summary>
/// <param name="handles">A handle per job, or <see langword="null"/>.</param>
/// <param name="failures">What went wrong, by position.</param>
/// <param name="cancellationToken">The caller's token.</param>
/// <param name="sequence">What the sequence of jobs threw, when it did.</param>
public sealed class JobBatchCanceledException(IReadOnlyList<JobHandle?> handles, IReadOnlyDictionary<int, Exception> failures, CancellationToken cancellationToken, Exception? sequence = null)
    : OperationCanceledException($"Cancelled after {handles.Count} jobs, {handles.Count - failures.Count} of which are enqueued.", sequence, cancellationToken)
{
    /// <summary>
    /// A handle per job that was taken from the sequence, in its order; <see langword="null"/> where it is not known
    /// that the job is enqueued.
    /// </summary>
    public IReadOnlyList<JobHandle?> Handles { get; } = handles;

    /// <summary>What went wrong, by position in the order given. A job with an <see cref="OperationCanceledException"/> may or may not be enqueued.</summary>
    public IReadOnlyDictionary<int, Exception> Failures { get; } = failures;
}

/// <summary>Something that a job left behind – its retry copy, its dead letter – was not written, so the job has not left its queue.</summary>
[Experimental("JOBS0001")]
public sealed class JobSettlementException(IReadOnlyDictionary<int, Exception> failures)
    : JobsException($"{failures.Count} of what a job left behind was not written; the first: {ExceptionText.Message(failures.First().Value)}", failures.First().Value)
{
    /// <summary>What went wrong, by position in what was to be written; all else is durable.</summary>
    public IReadOnlyDictionary<int, Exception> Failures { get; } = failures;

    /// <summary>Whether a failure may heal; when not, each is a refusal for good.</summary>
    public override bool IsTransient => Failures.Values.Any(f => f is not JobPublishException { IsTransient: false });
}

/// <summary>The transport could not be set up: wrong password, unknown virtual host, a queue that exists with other arguments.</summary>
public sealed class JobTransportException(string message, bool isTransient = false, Exception? inner = null) : JobsException(message, inner)
{
    /// <inheritdoc/>
    public override bool IsTransient { get; } = isTransient;
}

/// <summary>A message is not a job that can be read; it goes to the dead-letter queue with this message as the reason.</summary>
public sealed class JobFormatException(string message, Exception? inner = null) : JobsException(message, inner);

/// <summary>Thrown by a task: run this job again, whatever its retry policy says of the delay.</summary>
/// <param name="after">How long to wait. Defaults to the task's back-off.</param>
/// <param name="message">Why; kept with the job.</param>
/// <param name="inner">The cause, if any.</param>
public sealed class RetryJobException(TimeSpan? after = null, string? message = null, Exception? inner = null)
    : Exception(message ?? "The task asked to be run again.", inner)
{
    /// <summary>How long to wait, or <see langword="null"/> for the task's back-off.</summary>
    public TimeSpan? After { get; } = after;
}

/// <summary>
/// Thrown by a task: there is nothing to do yet, so run this job again later. Unlike <see cref="RetryJobException"/> it is
/// no failure and spends no attempt: for a task that polls.
/// </summary>
/// <param name="delay">How long to wait; 0 to about 8 years.</param>
/// <param name="message">Why; it is logged.</param>
public sealed class SnoozeJobException(TimeSpan delay, string? message = null) : Exception(message ?? "The task asked to be run later.")
{
    /// <summary>How long to wait.</summary>
    public TimeSpan Delay { get; } = delay;
}

/// <summary>Thrown by a task: never run this job again; it goes to the dead-letter queue at once.</summary>
/// <param name="reason">Why; kept with the job.</param>
/// <param name="inner">The cause, if any.</param>
public sealed class DeadJobException(string reason, Exception? inner = null) : Exception(reason, inner);
