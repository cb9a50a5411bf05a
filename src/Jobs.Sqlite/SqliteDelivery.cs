using System.Collections.Immutable;
using Jobs.Transport;
using Jobs.Wire;

namespace Jobs.Sqlite;

/// <summary>
/// A claimed message. One transaction writes the messages that follow it (a result, a retry copy or a dead letter), and
/// removes it.
/// </summary>
sealed class SqliteDelivery(SqliteSubscription subscription, Lane lane, ClaimedRow row) : Delivery
{
    JobMessage? message;

    public override string Queue => lane.Queue;

    public override JobMessage Message => message ??= Read();

    public override int DeliveryCount => row.Deliveries;

    public override bool IsQuarantined => lane.IsQuarantine;

    SqliteSubscription Subscription => subscription;

    Lane Lane => lane;

    ClaimedRow Row => row;

    Writer Writer => subscription.Engine.Writer;

    long Now => subscription.Engine.Now;

    protected override ValueTask<IReadOnlyDictionary<int, Exception>> WriteAsync(IReadOnlyList<Outgoing> outgoing) =>
        WriteAsync(new SettleOperation(this, outgoing, leaves: false), outgoing);

    protected override ValueTask<IReadOnlyDictionary<int, Exception>> WriteAndLeaveAsync(IReadOnlyList<Outgoing> outgoing) =>
        WriteAsync(new SettleOperation(this, KeepPending(outgoing), leaves: true), outgoing);

    // The caller does not wait: when the process dies before the commit, the job runs again, which may happen anyhow.
    protected override ValueTask LeaveAsync()
    {
        Writer.Add(new LeaveOperation(this));
        return ValueTask.CompletedTask;
    }

    protected override async ValueTask<bool> LeaveEarlyCoreAsync()
    {
        var operation = new LeaveEarlyOperation(this);
        ObjectDisposedException.ThrowIf(!Writer.Add(operation), subscription);
        return await operation.Task.ConfigureAwait(false);
    }

    // The caller does not wait, or a stop would wait for whoever keeps the file locked. When the writer takes no more, the
    // end of the session gives the message back.
    protected override ValueTask ReleaseCoreAsync()
    {
        Writer.Add(new ReleaseOperation(this));
        return ValueTask.CompletedTask;
    }

    async ValueTask<IReadOnlyDictionary<int, Exception>> WriteAsync(SettleOperation operation, IReadOnlyList<Outgoing> outgoing)
    {
        if (!Writer.Add(operation))
        {
            throw new ObjectDisposedException(nameof(SqliteTransport));
        }

        return await operation.Task.ConfigureAwait(false) is { } failure
            ? Enumerable.Range(0, outgoing.Count).ToDictionary(i => i, i => (Exception)SqliteErrors.Publish(outgoing[i], failure.Why, failure.Maybe))
            : ImmutableDictionary<int, Exception>.Empty;
    }

    /// <returns>
    /// Whether the message was still ours. If not, it went back to its queue, and the job runs again.
    /// </returns>
    bool Leave(Tables tables)
    {
        Settled();
        if (!tables.Leave(subscription.Session.No, row.Seq))
        {
            return false;
        }

        if (StoredMessage.KeepsPending(row.Head) || Message.CorrelationId is null) // without an id: perhaps nobody can read the head
        {
            tables.RemovePending(row.Seq);
        }

        return true;
    }

    // The settlement frees the id and takes it again for the next attempt, in one transaction.
    IReadOnlyList<Outgoing> KeepPending(IReadOnlyList<Outgoing> outgoing) => !StoredMessage.KeepsPending(row.Head) ? outgoing
        : [.. outgoing.Select(one => IsNextAttempt(one) ? one with { UnlessPending = true } : one)];

    bool isSettled; // on the writer's thread only

    // May be called again, when its transaction failed.
    void Settled()
    {
        if (!isSettled)
        {
            isSettled = true;
            lane.Unsettled--;
            lane.MayHaveMore |= lane.IsQuarantine; // while this message was out, no other message of the quarantine could be claimed
        }
    }

    // The job is not settled after all, and takes up its room again.
    void Unsettled()
    {
        if (isSettled)
        {
            isSettled = false;
            lane.Unsettled++;
        }
    }

    JobMessage Read()
    {
        try
        {
            return StoredMessage.Read(row.Head, row.Body);
        }
        catch (Exception e)
        {
            var headers = new JobHeaders { Unreadable = $"The stored headers cannot be read: {e.Message}" };
            return new() { Headers = headers, Body = row.Body };
        }
    }

    sealed class LeaveOperation(SqliteDelivery delivery) : WriteOperation
    {
        public override void Execute(Tables tables) => delivery.Leave(tables);

        protected override void Committed()
        {
        }

        // The job is done, so nobody but this operation can still remove its message.
        protected override void Failed(Exception why, bool maybe) => delivery.Writer.Add(new LeaveOperation(delivery));
    }

    sealed class LeaveEarlyOperation(SqliteDelivery delivery) : AwaitedOperation<bool>(delivery.Leave, needsSync: true)
    {
        protected override void Failed(Exception why, bool maybe)
        {
            delivery.Unsettled();
            base.Failed(why, maybe);
        }
    }

    sealed class ReleaseOperation(SqliteDelivery delivery) : WriteOperation
    {
        public override void Execute(Tables tables)
        {
            // In quarantine only the death of a worker counts.
            var deliveries = delivery.Lane.IsQuarantine ? delivery.Row.Deliveries : delivery.Row.Deliveries + 1;
            delivery.Settled();
            tables.Release(delivery.Subscription.Session.No, delivery.Row.Seq, delivery.Lane.No, delivery.Row.Urgency, deliveries);
        }

        protected override void Committed()
        {
        }

        // We try again: otherwise the message would stay claimed until this session ends.
        protected override void Failed(Exception why, bool maybe) => delivery.Writer.Add(new ReleaseOperation(delivery));
    }

    sealed class SettleOperation(SqliteDelivery delivery, IReadOnlyList<Outgoing> outgoing, bool leaves) : WriteOperation
    {
        readonly TaskCompletionSource<(Exception Why, bool Maybe)?> completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
        readonly byte[][] heads = [.. outgoing.Select(one => PublishOperation.Head(one))];
        readonly long now = delivery.Now;

        public override bool NeedsSync => true;

        public Task<(Exception Why, bool Maybe)?> Task => completion.Task;

        public override void Execute(Tables tables)
        {
            if (leaves && !delivery.Leave(tables))
            {
                return; // it was given back meanwhile: the next run of the job writes what follows it
            }

            for (var i = 0; i < outgoing.Count; i++)
            {
                tables.Publish(outgoing[i], now, heads[i]);
            }
        }

        protected override void Committed() => completion.TrySetResult(null);

        protected override void Failed(Exception why, bool maybe)
        {
            if (leaves)
            {
                delivery.Unsettled();
            }

            completion.TrySetResult((why, maybe));
        }
    }
}
