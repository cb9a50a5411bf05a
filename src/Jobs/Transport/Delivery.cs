using System.Diagnostics.CodeAnalysis;
using Jobs.Wire;

namespace Jobs.Transport;

/// <summary>
/// One message that a worker has. The worker settles the message at most once, on the channel that delivered it.
/// </summary>
/// <remarks>
/// A delivery is open, then settling, then settled:
/// 1. <see cref="SettleAsync"/> writes the messages that follow: the result, the retry copy or the dead letter. They
/// are durable when the write returns.
/// 2. Only then does the message leave its queue. A crash between the two leaves two copies with the same id, never
/// none.
/// 3. When the write fails, the delivery is open again, and <see cref="ReleaseAsync"/> can give the message back.
/// </remarks>
[Experimental("JOBS0001")]
public abstract class Delivery
{
    const int Open = 0;
    const int Settling = 1;
    const int Settled = 2;

    int state;
    bool hasLeft;

    /// <summary>The queue that the message came from.</summary>
    public abstract string Queue { get; }

    /// <summary>The message. Nobody has interpreted its headers and body yet.</summary>
    public abstract JobMessage Message { get; }

    /// <summary>
    /// How often the message was delivered before and not settled. Deliveries that a worker released count too, but not
    /// when the message <see cref="IsQuarantined"/>.
    /// </summary>
    public abstract int DeliveryCount { get; }

    /// <summary>
    /// The message is in quarantine, because it may kill its workers. The transport delivers one message of a
    /// quarantine at a time: only then does <see cref="DeliveryCount"/> say how many workers the message has killed.
    /// Defaults to <see langword="false"/>.
    /// </summary>
    public virtual bool IsQuarantined => false;

    /// <summary>Whether the delivery has been settled or released.</summary>
    public bool IsSettled => Volatile.Read(ref state) == Settled;

    /// <summary>
    /// Writes the messages that follow, then removes the message from its queue. Does nothing when the delivery is
    /// settled or being settled: a second call returns at once, even before the first call has written.
    /// </summary>
    /// <param name="outgoing">The messages to write first; may be empty.</param>
    /// <exception cref="JobSettlementException">
    /// A message was not written. The delivery is open: settle it with other messages, or release it.
    /// </exception>
    public ValueTask SettleAsync(IReadOnlyList<Outgoing> outgoing)
    {
        if (!TryBegin())
        {
            return ValueTask.CompletedTask;
        }

        return outgoing.Count == 0 ? LeaveOnceAsync() : WriteAndLeaveOnceAsync(outgoing);
    }

    /// <summary>
    /// Removes the message from its queue before the run, for tasks with <c>AckEarly</c>. The transport sends this
    /// acknowledgement at once, and not together with later ones. The delivery stays open: <see cref="SettleAsync"/>
    /// then only writes.
    /// </summary>
    /// <returns>
    /// Whether the message has left its queue. If not, the message will be delivered again, and the job must not run
    /// now.
    /// </returns>
    public async ValueTask<bool> LeaveEarlyAsync()
    {
        if (!TryBegin())
        {
            return false;
        }

        var left = false;
        try
        {
            left = hasLeft = await LeaveEarlyCoreAsync().ConfigureAwait(false);
        }
        catch
        {
            Volatile.Write(ref state, Open);
            throw;
        }

        Volatile.Write(ref state, left ? Open : Settled);
        return left;
    }

    /// <summary>
    /// Gives the message back to its queue, for a job that did not run or did not finish. Does nothing when the
    /// delivery is settled or being settled, or when the message has left its queue early.
    /// </summary>
    public ValueTask ReleaseAsync()
    {
        if (!TryBegin())
        {
            return ValueTask.CompletedTask;
        }

        Volatile.Write(ref state, Settled);
        return hasLeft ? ValueTask.CompletedTask : ReleaseCoreAsync();
    }

    /// <summary>The message was acknowledged before its run, and will not be delivered again.</summary>
    internal bool HasLeft => hasLeft;

    /// <summary>Whether a follow-up is the next attempt of this message: then it keeps the id pending.</summary>
    internal bool IsNextAttempt(in Outgoing outgoing) => outgoing.Queue == Queue && outgoing.Message.CorrelationId == Message.CorrelationId;

    /// <summary>
    /// The worker asks this when it has a free slot for the job. Defaults to whether the delivery is not settled.
    /// </summary>
    /// <returns>
    /// <see langword="false"/> when the transport has lost the message meanwhile, and delivers it again: the job must
    /// not run now.
    /// </returns>
    public virtual bool TryStart() => !IsSettled;

    /// <summary>Writes all messages durably.</summary>
    /// <returns>The failures by position; empty when all messages were written.</returns>
    protected abstract ValueTask<IReadOnlyDictionary<int, Exception>> WriteAsync(IReadOnlyList<Outgoing> outgoing);

    /// <summary>
    /// Writes all messages durably, and removes this message from its queue when all are written. A transport with
    /// transactions does both in one. Defaults to <see cref="WriteAsync"/>, and then <see cref="LeaveAsync"/>.
    /// </summary>
    /// <returns>The failures by position; empty when all messages were written and this one was removed.</returns>
    protected virtual async ValueTask<IReadOnlyDictionary<int, Exception>> WriteAndLeaveAsync(IReadOnlyList<Outgoing> outgoing)
    {
        var failures = await WriteAsync(outgoing).ConfigureAwait(false);
        if (failures.Count == 0)
        {
            // Checkpoint: a crash here leaves the message in its queue, and the messages that follow it too.
            await LeaveOnceAsync().ConfigureAwait(false);
        }

        return failures;
    }

    /// <summary>Removes the message from its queue. Called at most once.</summary>
    protected abstract ValueTask LeaveAsync();

    /// <summary>
    /// Removes the message from its queue before its run. Called at most once. Defaults to <see cref="LeaveAsync"/>.
    /// </summary>
    /// <returns>Whether the removal was written.</returns>
    protected virtual async ValueTask<bool> LeaveEarlyCoreAsync()
    {
        await LeaveAsync().ConfigureAwait(false);
        return true;
    }

    /// <summary>Returns the message to its queue. Called at most once.</summary>
    protected abstract ValueTask ReleaseCoreAsync();

    /// <summary>
    /// Marks the delivery as settled, because the transport has lost the message and cannot settle it any more.
    /// </summary>
    /// <returns>Whether the delivery was open.</returns>
    protected bool TryVoid()
    {
        if (!TryBegin())
        {
            return false;
        }

        Volatile.Write(ref state, Settled);
        return true;
    }

    async ValueTask WriteAndLeaveOnceAsync(IReadOnlyList<Outgoing> outgoing)
    {
        IReadOnlyDictionary<int, Exception> failures;
        try
        {
            failures = await (hasLeft ? WriteAsync(outgoing) : WriteAndLeaveAsync(outgoing)).ConfigureAwait(false);
        }
        catch
        {
            Interlocked.CompareExchange(ref state, Open, Settling); // settled already when the message failed to leave
            throw;
        }

        if (failures.Count > 0)
        {
            Volatile.Write(ref state, Open);
            throw new JobSettlementException(failures);
        }

        Volatile.Write(ref state, Settled);
    }

    ValueTask LeaveOnceAsync()
    {
        // Before the call: when the removal fails, nobody may settle the delivery a second time. The broker delivers
        // the message again.
        Volatile.Write(ref state, Settled);
        return hasLeft ? ValueTask.CompletedTask : LeaveAsync();
    }

    bool TryBegin() => Interlocked.CompareExchange(ref state, Settling, Open) == Open;
}
