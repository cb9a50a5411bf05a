using Jobs.Transport;

namespace Jobs.RabbitMQ;

/// <summary>
/// Publishes with confirms over one connection: one writer, and a bounded window of unconfirmed messages.
/// </summary>
/// <remarks>
/// 1. A caller's message waits in line.
/// 2. When the window has room and the broker does not block, the session's writer takes the message and writes it.
/// 3. The broker's confirm completes the caller.
/// 4. When the connection ends, the messages that were written and not confirmed go to the front of the line. The
/// writer sends them again, with the same ids, on the next connection.
/// 5. A caller whose deadline passes is told that its message was never sent, or that it may be enqueued.
/// The client's own tracking is off: it keeps a dictionary entry and a header per message, and its limiter does not
/// bound the number of unconfirmed messages.
/// </remarks>
sealed class Publisher : IAsyncDisposable
{
    static readonly TimeSpan sweepInterval = TimeSpan.FromMilliseconds(250);

    readonly BrokerParts parts;
    readonly PublishLedger ledger;
    readonly DroppedReplies dropped;
    readonly ReplyPublisher? replies;
    readonly BrokerConnection connection;
    readonly ITimer sweeper;
    readonly Lock gate = new();
    PublishSession? session;
    TaskCompletionSource<Incarnation> current = new(TaskCreationOptions.RunContinuationsAsynchronously);
    bool disposed;

    /// <param name="purpose"><c>publish</c> or <c>side</c>.</param>
    /// <param name="parts">Options, clock and so on.</param>
    /// <param name="withReplies">Whether replies go over this connection too, on a channel of their own.</param>
    public Publisher(string purpose, BrokerParts parts, bool withReplies = false)
    {
        (this.parts, Topology) = (parts, new(parts));
        ledger = new(parts.Options.PublishWindow, parts.Options.ConfirmTimeout, parts.Options.Declare, parts.Layout, parts.Time);
        dropped = new(parts.Logger, parts.Telemetry);
        replies = withReplies ? new(parts, Topology, dropped) : null;
        connection = new(purpose, parts, SessionAsync, Refused);
        using (ExecutionContext.SuppressFlow()) // the timer outlives the enqueue that this may run in
        {
            sweeper = parts.Time.CreateTimer(_ => Sweep(), null, sweepInterval, sweepInterval);
        }

        connection.Start();
    }

    /// <summary>What the publisher's queues are for, and which of them have been declared.</summary>
    public Topology Topology { get; }

    public ValueTask PublishAsync(Outgoing outgoing, TimeSpan timeout, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (Refusal is { } refusal)
        {
            throw PublishErrors.NotEnqueued(outgoing.Message.CorrelationId ?? "", refusal);
        }

        var book = outgoing.Kind == OutgoingKind.Reply && replies is not null ? replies.Ledger : ledger;
        var publish = book.Add(outgoing, outgoing.Delay > TimeSpan.Zero ? Delays.Seconds(outgoing.Delay) : 0, timeout)
            ?? throw PublishErrors.NotEnqueued(outgoing.Message.CorrelationId ?? "", Disposed()); // somebody disposed this after the check above
        var task = publish.Task;
        publish.CancelWith(cancellationToken);
        return task;
    }

    /// <summary>Ends when every host was tried once, or a host works.</summary>
    public Task FirstAttempt => connection.FirstAttempt;

    public TransportHealth CheckHealth()
    {
        var snapshot = ledger.Snapshot();
        return new()
        {
            Connection = connection.Health(forWork: true),
            Blocked = snapshot.Blocked,
            BlockedFor = snapshot.BlockedFor,
            ConfirmLatency = snapshot.ConfirmLatency,
            Pending = snapshot.Pending,
        };
    }

    /// <summary>Waits for the connection.</summary>
    public Task<Incarnation> ConnectedAsync(CancellationToken cancellationToken)
    {
        lock (gate)
        {
            return Refusal is { } refusal ? Task.FromException<Incarnation>(refusal) : current.Task.WaitAsync(cancellationToken);
        }
    }

    Exception? Refusal => Volatile.Read(ref disposed)
        ? Disposed()
        : connection.LastFailure is JobTransportException { IsTransient: false } refusal ? refusal : null;

    static ObjectDisposedException Disposed() => new(nameof(RabbitMqTransport));

    async Task SessionAsync(Incarnation incarnation, CancellationToken stop)
    {
        using var life = CancellationTokenSource.CreateLinkedTokenSource(incarnation.Dead, stop);
        var kind = replies is null ? PublishKind.Work : PublishKind.WorkBesideReplies;
        var opened = await PublishSession.OpenAsync(incarnation, ledger, Topology, parts, dropped, kind, incarnation.Abandon, life.Token).ConfigureAwait(false);
        Topology.Forget();
        lock (gate)
        {
            session = opened;
            current.TrySetResult(incarnation);
        }

        connection.SessionReady();
        var replying = replies?.RunAsync(incarnation, life.Token) ?? Task.CompletedTask;
        try
        {
            await opened.RunAsync(life.Token).ConfigureAwait(false);
        }
        finally
        {
            lock (gate)
            {
                session = null;
                current = new(TaskCreationOptions.RunContinuationsAsynchronously);
            }

            await life.CancelAsync().ConfigureAwait(false);
            await replying.ConfigureAwait(false);
        }
    }

    /// <summary>The broker refuses for good: fails everyone who waits.</summary>
    void Refused(JobTransportException refusal)
    {
        ledger.Fail(refusal);
        replies?.Ledger.Fail(refusal);
        lock (gate)
        {
            current.TrySetException(refusal);
            current = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    /// <summary>One timer for all deadlines, instead of one per message.</summary>
    void Sweep()
    {
        var (nobodys, stuck) = ledger.Sweep(connection.LastFailure);
        dropped.Say(nobodys);
        if (stuck is { } channel)
        {
            Volatile.Read(ref session)?.GiveUp(channel);
        }

        replies?.Sweep(connection.LastFailure);
    }

    public async ValueTask DisposeAsync()
    {
        Volatile.Write(ref disposed, true);
        await sweeper.DisposeAsync().ConfigureAwait(false);
        await connection.DisposeAsync().ConfigureAwait(false);
        ledger.Close(connection.LastFailure);
        replies?.Ledger.Close(connection.LastFailure);
        lock (gate)
        {
            current.TrySetException(Disposed());
            _ = current.Task.Exception; // observed
        }
    }
}
