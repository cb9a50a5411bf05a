using Jobs.Registry;
using Jobs.Transport;
using Jobs.Wire;

namespace Jobs.Working;

/// <summary>One run of a job by one worker, from delivery to settlement: what was delivered, what shall run, and what came of it.</summary>
/// <param name="delivery">The message in this worker's hands.</param>
/// <param name="stamp">Tells the copies of this attempt from those of every other; random.</param>
sealed class Attempt(Delivery delivery, int stamp)
{
    CancellationTokenSource? cancellation;
    volatile CancelCause cause;

    public Delivery Delivery => delivery;

    /// <summary>Kept here: a settled delivery may have no message any more.</summary>
    public JobMessage Message { get; } = delivery.Message;

    /// <summary>The headers; <see langword="null"/> when they cannot be read.</summary>
    public JobEnvelope? Envelope { get; init; }

    /// <summary>What shall run; <see langword="null"/> when this worker has no such task.</summary>
    public TaskDefinition? Task { get; init; }

    public int Stamp => stamp;

    /// <summary>The task's name for logs: what the message says, as far as that can be read.</summary>
    public string TaskName => Envelope?.Task ?? Message.Headers.GetValueOrDefault(WireHeaders.Task) as string ?? "?";

    /// <summary>The job's id for logs.</summary>
    public string Id => Envelope?.Id ?? Message.Headers.GetValueOrDefault(WireHeaders.Id) as string ?? Message.CorrelationId ?? "?";

    /// <summary>The number of this run of the job, from 1; 0 when the headers cannot be read.</summary>
    public int Number => Envelope is null ? 0 : Envelope.Retries + 1;

    /// <summary>What came of the attempt; <see langword="null"/> until that is known.</summary>
    public Outcome? Outcome { get; set; }

    /// <summary>Somebody waits for what the task returns. Defaults to <see langword="false"/>.</summary>
    public bool WantsResult { get; init; }

    /// <summary>Why the run was told to end, if it was.</summary>
    public CancelCause Cause => cause;

    /// <summary>Fires when the run is told to end. The source is made when the task asks for it: most tasks never do.</summary>
    public CancellationToken Cancellation
    {
        get
        {
            if (Volatile.Read(ref cancellation) is null)
            {
                Interlocked.CompareExchange(ref cancellation, new(), null);
                if (Cause != CancelCause.None)
                {
                    cancellation!.Cancel(); // it was told to end before there was a source
                }
            }

            return cancellation!.Token;
        }
    }

    /// <summary>Tells the run to end; the first cause stands.</summary>
    public void Cancel(CancelCause why)
    {
        if (Interlocked.CompareExchange(ref cause, why, CancelCause.None) == CancelCause.None)
        {
            _ = Volatile.Read(ref cancellation)?.CancelAsync(); // what the task registered runs on the pool, not here
        }
    }
}

/// <summary>Why a run is told to end before its task is done. Revoked, time limit and lost come with what can cause them.</summary>
enum CancelCause : byte
{
    None,

    /// <summary>The worker stops. That is no failure: the job goes back, and spends no attempt.</summary>
    Stop,
}
