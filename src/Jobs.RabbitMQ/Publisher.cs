using Jobs.Transport;

namespace Jobs.RabbitMQ;

/// <summary>Publishes with confirms over one connection: one writer, a bounded window of unconfirmed messages.</summary>
/// <remarks>
/// 1. A caller's message waits in line. 2. The session's writer takes it when the window has room and the broker does not block, and writes it. 3. The confirm
/// completes the caller. 4. When the connection ends, what was written and not confirmed goes to the front of the line and is sent again, with the same
/// id, on the next connection. 5. At its deadline a caller is told: never sent, or maybe enqueued.
/// The client's own tracking is off: it keeps a dictionary entry and a header per message, and its limiter does not bound what is unconfirmed.
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
        using (ExecutionContext.SuppressFlow()) // it outlives the enqueue that this may run in
        {
            sweeper = parts.Time.CreateTimer(_ => Sweep(), null, sweepInterval, sweepInterval);
        }

        connection.Start();
    }

    /// <summary>What its queues are for, and which have been declared.</summary>
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
            ?? throw PublishErrors.NotEnqueued(outgoing.Message.CorrelationId ?? "", Disposed()); // since the look above
        var task = publish.Task;
        publish.CancelWith(cancellationToken);
        return task;
    }

    /// <summary>Ends when every host has been tried, or one works.</summary>
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

    /// <summary>The connection, as soon as there is one.</summary>
    /// <exception cref="JobTransportException">The broker refuses for good.</exception>
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

    /// <summary>A refusal for good is told to everyone who waits.</summary>
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
