using Jobs.Registry;
using Jobs.Transport;
using Jobs.Wire;

namespace Jobs.Working;

/// <summary>
/// One run of a job by one worker, from delivery to settlement: the delivery, the task and the outcome.
/// </summary>
/// <param name="delivery">The delivery.</param>
/// <param name="stamp">
/// A random number that tells the copies of this attempt from the copies of every other attempt.
/// </param>
/// <param name="receivedAt">
/// When the worker received the job, in ticks of UTC: a time with its offset would need more memory.
/// </param>
sealed partial class Attempt(Delivery delivery, int stamp, long receivedAt = 0)
{
    CancellationTokenSource? cancellation;
    readonly bool isMarked = delivery.Message.Headers.ContainsKey(WireHeaders.Tell);
    volatile CancelCause cause;

    public Delivery Delivery => delivery;

    /// <summary>The message. The attempt keeps it, because a settled delivery may have none any more.</summary>
    public JobMessage Message { get; } = delivery.Message;

    /// <summary>The headers; <see langword="null"/> when this worker cannot read them.</summary>
    public JobEnvelope? Envelope { get; init; }

    /// <summary>The task to run; <see langword="null"/> when this worker has no such task.</summary>
    public TaskDefinition? Task { get; init; }

    public int Stamp => stamp;

    /// <summary>
    /// The name of the task, for logs: as the message says it, or <c>?</c> when the header cannot be read.
    /// </summary>
    public string TaskName => Envelope?.Task ?? Message.Headers.GetValueOrDefault(WireHeaders.Task) as string ?? "?";

    /// <summary>The id of the job, for logs.</summary>
    public string Id => Envelope?.Id ?? Message.Headers.GetValueOrDefault(WireHeaders.Id) as string ?? Message.CorrelationId ?? "?";

    /// <summary>The number of this run of the job, from 1; 0 when the headers cannot be read.</summary>
    public int Number => Envelope is null ? 0 : Envelope.Retries + 1;

    /// <summary>The outcome; <see langword="null"/> until it is decided.</summary>
    public Outcome? Outcome { get; set; }

    /// <summary>When the worker received the job.</summary>
    public DateTimeOffset ReceivedAt => new(receivedAt, TimeSpan.Zero);

    /// <summary>Whether viewers were told that the job was received.</summary>
    public bool IsTold { get; set; }

    /// <summary>
    /// Viewers are told each step of the job, although events only count jobs: it has failed before, was sent back from
    /// the dead letters, or was enqueued by a person. It would look failed, or unknown, for ever.
    /// </summary>
    public bool IsWatched => isMarked || Number > 1;

    /// <summary>Somebody wants to hear what becomes of the job.</summary>
    public bool WantsResult { get; } = delivery.Message.WantsResult;

    /// <summary>
    /// What is needed after the run, when jobs follow or somebody wants the result; <see langword="null"/> for most
    /// jobs.
    /// </summary>
    public Aftermath? After { get; set; }

    /// <summary>Whether the value that the task returns is needed.</summary>
    public bool NeedsValue => WantsResult || After?.Embed is { TakesResult: true };

    /// <summary>When the attempt ended; only with an <see cref="Aftermath"/>, or without a run.</summary>
    public DateTimeOffset EndedAt => After?.Ended ?? (Outcome as Outcome.Dead)?.Letter.At ?? (Outcome as Outcome.Expired)?.Seen ?? default;

    /// <summary>Why the run was told to end; <see cref="CancelCause.None"/> when it was not.</summary>
    public CancelCause Cause => cause;

    /// <summary>
    /// Fires when the run is told to end. The source is made when the task first asks for the token, because most tasks
    /// never do.
    /// </summary>
    public CancellationToken Cancellation
    {
        get
        {
            if (Volatile.Read(ref cancellation) is null)
            {
                Interlocked.CompareExchange(ref cancellation, new(), null);
                if (Cause != CancelCause.None)
                {
                    cancellation!.Cancel(); // the run was told to end before there was a source
                }
            }

            return cancellation!.Token;
        }
    }

    /// <summary>Tells the run to end. The first cause stands.</summary>
    public void Cancel(CancelCause why)
    {
        if (Interlocked.CompareExchange(ref cause, why, CancelCause.None) == CancelCause.None)
        {
            // Callbacks that the task registered run on the pool, not here.
            _ = Volatile.Read(ref cancellation)?.CancelAsync();
        }
    }
}

/// <summary>What is needed after a run.</summary>
sealed class Aftermath
{
    /// <summary>The jobs that shall follow; <see langword="null"/> for none.</summary>
    public Embed? Embed { get; init; }

    /// <summary>When the run began.</summary>
    public DateTimeOffset? Started { get; set; }

    /// <summary>When the run ended.</summary>
    public DateTimeOffset? Ended { get; set; }

    /// <summary>The trace of the run, which the jobs that follow carry on; <see langword="null"/> for none.</summary>
    public string? TraceParent { get; set; }
}

/// <summary>
/// Why a run is told to end before its task is done. Causes such as revoked, time limit and lost will come with the
/// features that need them.
/// </summary>
enum CancelCause : byte
{
    None,

    /// <summary>
    /// The worker stops. A stop is no failure: the worker gives the job back, and the job spends no attempt.
    /// </summary>
    Stop,
}
