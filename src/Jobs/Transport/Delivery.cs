using System.Diagnostics.CodeAnalysis;
using Jobs.Wire;

namespace Jobs.Transport;

/// <summary>One message in this worker's hands. It carries its own settle verbs; it is settled at most once, on the channel it came by.</summary>
/// <remarks>
/// <see cref="RetryAsync"/> and <see cref="DeadLetterAsync"/> write the next home, then leave the old one: the copy is published and durable before the ack.
/// A crash in between leaves a second copy with the same id, never none.
/// </remarks>
[Experimental("JOBS0001")]
public abstract class Delivery
{
    int settled;

    /// <summary>The queue that it came from.</summary>
    public abstract string Queue { get; }

    /// <summary>The message, not yet interpreted.</summary>
    public abstract JobMessage Message { get; }

    /// <summary>How often it was handed out before without coming to an end.</summary>
    public abstract int DeliveryCount { get; }

    /// <summary>Whether a settlement has been given.</summary>
    public bool IsSettled => Volatile.Read(ref settled) != 0;

    /// <summary>It is done, or has its next home: the queue forgets it.</summary>
    public ValueTask AckAsync() => BeginSettle() ? AckCoreAsync() : ValueTask.CompletedTask;

    /// <summary>Acks before the run, for tasks that are acknowledged early: without waiting for other acks to go with it.</summary>
    /// <returns>Whether the ack left; if not, the message comes again, and must not be run now.</returns>
    public virtual async ValueTask<bool> AckNowAsync()
    {
        await AckAsync().ConfigureAwait(false);
        return true;
    }

    /// <summary>Publishes <paramref name="next"/> to the same queue, then acks this one.</summary>
    public async ValueTask RetryAsync(JobMessage next, TimeSpan delay)
    {
        await PublishAsync(Queue, next, delay).ConfigureAwait(false);
        // Checkpoint: a crash here runs the same attempt again, and the copy as well.
        await AckAsync().ConfigureAwait(false);
    }

    /// <summary>Publishes a copy with the reason to the dead-letter queue, then acks this one.</summary>
    public async ValueTask DeadLetterAsync(string deadLetterQueue, DeadLetter letter)
    {
        try
        {
            await PublishAsync(deadLetterQueue, letter.Copy(Message, Queue), TimeSpan.Zero).ConfigureAwait(false);
        }
        catch (JobPublishException e) when (!e.IsTransient)
        {
            // The job's own headers may nearly fill a frame, so that they fit no more together with the exception and its stack. Given back, it would run, fail
            // and come to this again for ever; so once more with the least that says why. Whatever else the broker refuses it for, it refuses this for, too.
            await PublishAsync(deadLetterQueue, letter.Brief().Copy(Message, Queue), TimeSpan.Zero).ConfigureAwait(false);
        }

        // Checkpoint: a crash here leaves two dead letters of one job.
        await AckAsync().ConfigureAwait(false);
    }

    /// <summary>Not run, or not to its end: gives it back to the queue. No-op once it is settled.</summary>
    public ValueTask ReleaseAsync() => BeginSettle() ? ReleaseCoreAsync() : ValueTask.CompletedTask;

    /// <summary>Publishes a copy durably.</summary>
    protected abstract ValueTask PublishAsync(string queue, JobMessage message, TimeSpan delay);

    /// <summary>Removes it from its queue; called at most once.</summary>
    protected abstract ValueTask AckCoreAsync();

    /// <summary>Returns it to its queue; called at most once.</summary>
    protected abstract ValueTask ReleaseCoreAsync();

    /// <summary>True for the first settlement only.</summary>
    protected bool BeginSettle() => Interlocked.Exchange(ref settled, 1) == 0;
}

/// <summary>Why a job is dead.</summary>
public sealed record DeadLetter
{
    // A header frame must fit the connection's frame size together with the user's own headers.
    const int MaxReason = 1_000;
    const int MaxStack = 4_000;
    const int MaxBriefReason = 200;

    /// <summary>What happened, in a sentence.</summary>
    public required string Reason { get; init; }

    /// <summary>When.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>How often the task was run.</summary>
    public int Attempts { get; init; }

    /// <summary>What the task threw.</summary>
    public Exception? Exception { get; init; }

    /// <summary>The message with these facts in its headers; all else as it came, so that it can be requeued.</summary>
    internal JobMessage Copy(JobMessage message, string queue)
    {
        var copy = message.Copy();
        copy.Headers[WireHeaders.DeadReason] = Cut(Reason, MaxReason);
        copy.Headers[WireHeaders.DeadQueue] = queue;
        copy.Headers[WireHeaders.DeadAt] = WireTime.Format(At);
        copy.Headers[WireHeaders.DeadAttempts] = Attempts;
        if (Exception is not null)
        {
            copy.Headers[WireHeaders.DeadException] = Cut($"{Exception.GetType().FullName}: {Exception.Message}", MaxReason);
            copy.Headers[WireHeaders.DeadStack] = Cut(Exception.ToString(), MaxStack);
        }

        return copy;
    }

    /// <summary>The same with a short reason, and without the exception.</summary>
    internal DeadLetter Brief() => this with { Reason = Cut(Reason, MaxBriefReason), Exception = null };

    static string Cut(string text, int max) => text.Length <= max ? text : string.Concat(text.AsSpan(0, max), "…");
}
