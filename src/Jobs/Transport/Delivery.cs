using System.Diagnostics.CodeAnalysis;
using Jobs.Wire;

namespace Jobs.Transport;

/// <summary>One message in this worker's hands. The message is settled at most once, on the channel it came by.</summary>
/// <remarks>
/// A delivery is open, then settling, then settled.
/// 1. <see cref="SettleAsync"/> writes the next homes: the results, the retry copy or the dead letter. They are durable when the write returns.
/// 2. Only then does the message leave its old queue. A crash in between leaves a second copy with the same id, never none.
/// 3. A write that fails makes the delivery open again, so that <see cref="ReleaseAsync"/> can give the message back.
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

    /// <summary>The message, not yet interpreted.</summary>
    public abstract JobMessage Message { get; }

    /// <summary>
    /// How often the message was handed out before without coming to an end. Returns that were asked for count too, but
    /// not when <see cref="IsQuarantined"/>.
    /// </summary>
    public abstract int DeliveryCount { get; }

    /// <summary>
    /// The message was set aside because it may kill its workers, and is handed out alone: only then does
    /// <see cref="DeliveryCount"/> say how many workers it has killed.
    /// Defaults to <see langword="false"/>.
    /// </summary>
    public virtual bool IsQuarantined => false;

    /// <summary>Whether the delivery has been settled or released.</summary>
    public bool IsSettled => Volatile.Read(ref state) == Settled;

    /// <summary>
    /// Writes everything that comes of the message, then removes the message from its queue. No-op when the delivery is
    /// settled, or is being settled: a second call returns at once, before the first has written.
    /// </summary>
    /// <param name="outgoing">What to write first; empty to write nothing.</param>
    /// <exception cref="JobSettlementException">Something was not written. The delivery is open: settle it with something else, or release it.</exception>
    public ValueTask SettleAsync(IReadOnlyList<Outgoing> outgoing)
    {
        if (!TryBegin())
        {
            return ValueTask.CompletedTask;
        }

        return outgoing.Count == 0 ? LeaveOnceAsync() : WriteAndLeaveAsync(outgoing);
    }

    /// <summary>
    /// Removes the message from its queue before the run, for tasks that are acknowledged early. The removal does not
    /// wait for others to go with it. The delivery stays open: <see cref="SettleAsync"/> then only writes.
    /// </summary>
    /// <returns>Whether the message has left; if not, it comes again, and must not be run now.</returns>
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
    /// The message was not run, or not to its end: gives it back to its queue. No-op when the delivery is settled, is
    /// being settled, or has left early.
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

    /// <summary>It was acknowledged before its run: nobody hands it out again.</summary>
    internal bool HasLeft => hasLeft;

    /// <summary>Asked when a slot is free for the message. Defaults to whether the delivery is open.</summary>
    /// <returns><see langword="false"/> when the transport has lost the message meanwhile and hands it out again: it must not be run now.</returns>
    public virtual bool TryStart() => !IsSettled;

    /// <summary>Writes all of it durably.</summary>
    /// <returns>What was not written, by position; empty when all of it was.</returns>
    protected abstract ValueTask<IReadOnlyDictionary<int, Exception>> WriteAsync(IReadOnlyList<Outgoing> outgoing);

    /// <summary>Removes the message from its queue; called at most once.</summary>
    protected abstract ValueTask LeaveAsync();

    /// <summary>Removes the message from its queue before its run; called at most once. Defaults to <see cref="LeaveAsync"/>.</summary>
    /// <returns>Whether the removal was written.</returns>
    protected virtual async ValueTask<bool> LeaveEarlyCoreAsync()
    {
        await LeaveAsync().ConfigureAwait(false);
        return true;
    }

    /// <summary>Returns the message to its queue; called at most once.</summary>
    protected abstract ValueTask ReleaseCoreAsync();

    /// <summary>The transport has lost the message: nothing can be settled any more.</summary>
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

    async ValueTask WriteAndLeaveAsync(IReadOnlyList<Outgoing> outgoing)
    {
        IReadOnlyDictionary<int, Exception> failures;
        try
        {
            failures = await WriteAsync(outgoing).ConfigureAwait(false);
        }
        catch
        {
            Volatile.Write(ref state, Open);
            throw;
        }

        if (failures.Count > 0)
        {
            Volatile.Write(ref state, Open);
            throw new JobSettlementException(failures);
        }

        // Checkpoint: a crash here leaves the message and what was written for it.
        await LeaveOnceAsync().ConfigureAwait(false);
    }

    ValueTask LeaveOnceAsync()
    {
        // Before the call: what fails to leave must not be settled a second time. The broker hands it out again.
        Volatile.Write(ref state, Settled);
        return hasLeft ? ValueTask.CompletedTask : LeaveAsync();
    }

    bool TryBegin() => Interlocked.CompareExchange(ref state, Settling, Open) == Open;
}
