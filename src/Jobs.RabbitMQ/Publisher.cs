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
    readonly TimeProvider time;
    readonly PublishLine line;
    readonly DroppedReplies replies;
    readonly BrokerConnection connection;
    readonly ITimer sweeper;
    PublishSession? session;
    TaskCompletionSource<Incarnation> current = new(TaskCreationOptions.RunContinuationsAsynchronously);
    bool disposed;

    public Publisher(string purpose, BrokerParts parts)
    {
        (this.parts, Topology, time) = (parts, new(parts), parts.Time);
        line = new(time);
        replies = new(parts.Logger, parts.Telemetry);
        connection = new(purpose, parts, SessionAsync, Refused);
        using (ExecutionContext.SuppressFlow()) // it outlives the enqueue that this may run in
        {
            sweeper = time.CreateTimer(_ => Sweep(), null, sweepInterval, sweepInterval);
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

        var publish = line.Add(outgoing, outgoing.Delay > TimeSpan.Zero ? Delays.Seconds(outgoing.Delay) : 0, timeout)
            ?? throw PublishErrors.NotEnqueued(outgoing.Message.CorrelationId ?? "", Disposed()); // since the look above
        var task = publish.Task;
        if (cancellationToken.CanBeCanceled)
        {
            publish.Cancellation = cancellationToken.UnsafeRegister(static (state, token) => ((PendingPublish)state!).Cancel(token), publish);
        }

        return task;
    }

    /// <summary>Ends when every host has been tried, or one works.</summary>
    public Task FirstAttempt => connection.FirstAttempt;

    public TransportHealth CheckHealth()
    {
        lock (line.Gate)
        {
            var now = time.GetTimestamp();
            var (slowest, oldest) = (line.Confirms.Slowest(now), session?.OldestUnconfirmed(now) ?? TimeSpan.Zero);
            return new()
            {
                Connection = connection.Health(forWork: true),
                Blocked = session?.Blocked,
                BlockedFor = session?.BlockedFor(now) ?? TimeSpan.Zero,
                ConfirmLatency = slowest > oldest ? slowest : oldest,
                Pending = line.Count + (session?.Unconfirmed ?? 0),
            };
        }
    }

    /// <summary>The connection, as soon as there is one.</summary>
    /// <exception cref="JobTransportException">The broker refuses for good.</exception>
    public Task<Incarnation> ConnectedAsync(CancellationToken cancellationToken)
    {
        lock (line.Gate)
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
        var opened = await PublishSession.OpenAsync(incarnation, line, Topology, parts, replies, life.Token).ConfigureAwait(false);
        Topology.Forget();
        lock (line.Gate)
        {
            session = opened;
            current.TrySetResult(incarnation);
        }

        connection.SessionReady();
        try
        {
            await opened.RunAsync(life.Token).ConfigureAwait(false);
        }
        finally
        {
            lock (line.Gate)
            {
                session = null;
                current = new(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }
    }

    /// <summary>A refusal for good is told to everyone who waits.</summary>
    void Refused(JobTransportException refusal)
    {
        line.Fail(_ => true, publish => PublishErrors.Refused(publish, refusal));
        lock (line.Gate)
        {
            current.TrySetException(refusal);
            current = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    /// <summary>One timer for all deadlines, instead of one per message.</summary>
    void Sweep()
    {
        lock (line.Gate)
        {
            var now = time.GetTimestamp();
            line.Fail(p => p.Deadline <= now, Overdue);
            session?.Sweep(now, Overdue);
            line.Sweep(now);
        }
    }

    JobPublishException Overdue(PendingPublish publish) => PublishErrors.Overdue(publish, session?.Blocked, connection.LastFailure);

    public async ValueTask DisposeAsync()
    {
        Volatile.Write(ref disposed, true);
        await sweeper.DisposeAsync().ConfigureAwait(false);
        await connection.DisposeAsync().ConfigureAwait(false);
        line.Close(Overdue);
        lock (line.Gate)
        {
            current.TrySetException(Disposed());
            _ = current.Task.Exception; // observed
        }
    }
}
