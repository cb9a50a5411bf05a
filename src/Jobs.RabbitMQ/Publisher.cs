using Jobs.Wire;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Jobs.RabbitMQ;

/// <summary>Publishes with confirms over one connection: one writer, a bounded window of unconfirmed messages.</summary>
/// <remarks>
/// 1. A caller's message waits in line. 2. The writer takes it when the window has room and the broker does not block, and writes it. 3. The confirm
/// completes the caller. 4. When the connection ends, what was written and not confirmed goes to the front of the line and is sent again, with the same
/// id, on the next connection. 5. At its deadline a caller is told: never sent, or maybe enqueued.
/// The client's own tracking is off: it keeps a dictionary entry and a header per message, and its limiter does not bound what is unconfirmed.
/// </remarks>
sealed class Publisher : IAsyncDisposable
{
    static readonly TimeSpan sweepInterval = TimeSpan.FromMilliseconds(250);

    readonly Lock gate = new();
    readonly LinkedList<PendingPublish> line = new();
    readonly List<PendingPublish> nacked = [];
    readonly Stack<PendingPublish> spare = new();
    readonly SemaphoreSlim wakeUp = new(0); // one release too many only makes the writer look once more
    readonly RabbitMqOptions options;
    readonly Topology topology;
    readonly TimeProvider time;
    readonly ILogger logger;
    readonly BrokerConnection connection;
    readonly ITimer sweeper;
    PublishWindow window;
    bool writerIdle;
    string? blocked;
    int suspects; // written when a channel was closed over a publish: they go one at a time until it is known whose fault it was
    TaskCompletionSource<Incarnation> current = new(TaskCreationOptions.RunContinuationsAsynchronously);
    bool disposed;

    public Publisher(RabbitMqOptions options, BrokerAddress address, Topology topology, TimeProvider time, ILogger logger)
    {
        (this.options, this.topology, this.time, this.logger) = (options, topology, time, logger);
        window = new(options.PublishWindow);
        connection = new("publish", options, address, time, logger, SessionAsync, Refused);
        sweeper = time.CreateTimer(_ => Sweep(), null, sweepInterval, sweepInterval);
        connection.Start();
    }

    /// <summary>The connection, as soon as there is one.</summary>
    public Task<Incarnation> ConnectedAsync(CancellationToken cancellationToken)
    {
        lock (gate)
        {
            return current.Task.WaitAsync(cancellationToken);
        }
    }

    public ValueTask PublishAsync(string queue, JobMessage message, TimeSpan delay, TimeSpan timeout, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        PendingPublish publish;
        bool wake;
        lock (gate)
        {
            if (disposed || connection.LastFailure is JobTransportException { IsTransient: false })
            {
                throw NotEnqueued(message, disposed ? new ObjectDisposedException(nameof(RabbitMqTransport)) : connection.LastFailure!, isTransient: false);
            }

            publish = spare.TryPop(out var used) ? used : new(this);
            publish.Begin(
                queue,
                message,
                delay > TimeSpan.Zero ? BrokerNames.DelaySeconds(delay) : 0,
                timeout == Timeout.InfiniteTimeSpan ? long.MaxValue : time.GetTimestamp() + (long)(timeout.TotalSeconds * time.TimestampFrequency));
            line.AddLast(publish);
            wake = writerIdle;
            writerIdle = false;
        }

        if (wake)
        {
            wakeUp.Release();
        }

        var task = publish.Task;
        if (cancellationToken.CanBeCanceled)
        {
            publish.Cancellation = cancellationToken.UnsafeRegister(static (state, token) => ((PendingPublish)state!).Cancel(token), publish);
        }

        return task;
    }

    /// <summary>A confirmed publish comes back here from its caller.</summary>
    public void Reuse(PendingPublish publish)
    {
        const int Kept = 4096;
        lock (gate)
        {
            if (spare.Count < Kept)
            {
                spare.Push(publish);
            }
        }
    }

    async Task SessionAsync(Incarnation incarnation, CancellationToken stop)
    {
        using var life = CancellationTokenSource.CreateLinkedTokenSource(incarnation.Dead, stop);
        incarnation.Connection.ConnectionBlockedAsync += (_, e) => SetBlocked(e.Reason);
        incarnation.Connection.ConnectionUnblockedAsync += (_, _) => SetBlocked(null);

        // All four arguments: the constructor overwrites documented defaults. Confirms on, tracking off.
        // Never disposed here: that may wait for a peer that is silent. It goes with its connection.
        var channel = await incarnation.Connection.CreateChannelAsync(new(true, false, null, 1), life.Token).ConfigureAwait(false);
        ShutdownEventArgs? closed = null;
        channel.ChannelShutdownAsync += (_, reason) =>
        {
            closed = reason;
            incarnation.Abandon(reason.ToString());
            return Task.CompletedTask;
        };
        var confirmed = new List<PendingPublish>();
        channel.BasicAcksAsync += (_, e) => Confirmed(e.DeliveryTag, e.Multiple, confirmed);
        channel.BasicNacksAsync += (_, e) => Nacked(e.DeliveryTag, e.Multiple);
        channel.BasicReturnAsync += (_, e) => Returned(e);
        lock (gate)
        {
            window = new(options.PublishWindow);
            topology.Forget();
            current.TrySetResult(incarnation);
        }

        connection.SessionReady();
        try
        {
            await WriteAsync(incarnation, channel, life.Token).ConfigureAwait(false);
        }
        finally
        {
            TakeBack(closed ?? incarnation.Shutdown);
        }
    }

    async Task WriteAsync(Incarnation incarnation, IChannel channel, CancellationToken life)
    {
        while (!life.IsCancellationRequested)
        {
            if (NextQueue() is not { } destination)
            {
                await wakeUp.WaitAsync(life).ConfigureAwait(false);
                continue;
            }

            if (!topology.Knows(destination.Queue, destination.Delayed))
            {
                try
                {
                    await topology.EnsureAsync(incarnation, destination.Queue, destination.Delayed, life).ConfigureAwait(false);
                }
                catch (JobTransportException e) when (!e.IsTransient)
                {
                    FailLine(p => p.Queue == destination.Queue, e);
                }

                continue;
            }

            if (TakeNext(destination) is { } publish)
            {
                var (exchange, key) = Route(publish);
                await channel.BasicPublishAsync(exchange, key, mandatory: true, MessageMapping.Properties(publish.Message), publish.Message.Body, life).ConfigureAwait(false);
            }
        }
    }

    (string Exchange, string Key) Route(PendingPublish publish) => publish.DelaySeconds == 0
        ? ("", publish.Queue)
        : (topology.Names.DelayLevel(BrokerNames.HighestLevel(publish.DelaySeconds)), BrokerNames.DelayKey(publish.DelaySeconds, publish.Queue));

    /// <summary>Where the next message goes, or <see langword="null"/> when nothing may be written now; the writer then sleeps until it is woken.</summary>
    (string Queue, bool Delayed)? NextQueue()
    {
        lock (gate)
        {
            while (line.First is { Value.Done: true })
            {
                line.RemoveFirst();
            }

            if (line.First is { } first && blocked is null && window.HasRoom(suspects > 0 ? 1 : options.PublishWindow))
            {
                return (first.Value.Queue, first.Value.DelaySeconds > 0);
            }

            writerIdle = true;
            return null;
        }
    }

    PendingPublish? TakeNext((string Queue, bool Delayed) declared)
    {
        lock (gate)
        {
            // Another one may have come to the front since: one whose queue was deleted must not go out before that is declared again.
            if (line.First is not { } first || first.Value.Done || first.Value.Queue != declared.Queue || first.Value.DelaySeconds > 0 != declared.Delayed)
            {
                return null;
            }

            line.RemoveFirst();
            first.Value.MaybeSent = true;
            window.Add(first.Value); // before the write: the confirm may overtake its return
            return first.Value;
        }
    }

    Task Confirmed(ulong tag, bool multiple, List<PendingPublish> confirmed)
    {
        lock (gate)
        {
            window.Take(tag, multiple, confirmed);
            foreach (var publish in confirmed)
            {
                suspects = Math.Max(0, suspects - 1);
                if (publish.Done)
                {
                    continue;
                }

                if (publish.Returned is null)
                {
                    publish.Confirm();
                }
                else if (publish.Redeclared || options.Declare != DeclareMode.Declare)
                {
                    var (exchange, _) = Route(publish);
                    publish.Fail(new JobPublishException(
                        publish.Message.CorrelationId ?? "",
                        maybeEnqueued: false,
                        isTransient: false,
                        $"Job {publish.Message.CorrelationId} was not enqueued: exchange '{exchange}' has no route to queue '{publish.Queue}' ({publish.Returned}). Declare the queue, or let Jobs do it with Declare = DeclareMode.Declare."));
                }
                else
                {
                    // The queue was deleted behind our back: declare it again and send once more.
                    Log.QueueGone(logger, publish.Queue);
                    topology.Forget(publish.Queue);
                    (publish.Redeclared, publish.Returned, publish.MaybeSent) = (true, null, false);
                    line.AddFirst(publish);
                }
            }

            confirmed.Clear();
            WakeWriter();
        }

        return Task.CompletedTask;
    }

    /// <summary>Refused by the queue (full, or without a leader): not for good, so it waits for the next sweep and goes again with the same id.</summary>
    Task Nacked(ulong tag, bool multiple)
    {
        lock (gate)
        {
            window.Take(tag, multiple, nacked);
            WakeWriter();
        }

        return Task.CompletedTask;
    }

    /// <summary>Comes before the ack of the same message.</summary>
    Task Returned(BasicReturnEventArgs e)
    {
        lock (gate)
        {
            foreach (var publish in window.InOrder())
            {
                if (publish.Returned is null && publish.Message.CorrelationId == e.BasicProperties.CorrelationId && Route(publish).Key == e.RoutingKey)
                {
                    publish.Returned = $"{e.ReplyCode} {e.ReplyText}";
                    break;
                }
            }
        }

        return Task.CompletedTask;
    }

    /// <summary>The connection is over: what it left unconfirmed goes to the front of the line.</summary>
    void TakeBack(ShutdownEventArgs? closed)
    {
        lock (gate)
        {
            var unknown = window.InOrder().Where(p => !p.Done).ToList();

            // The broker closed the channel over a publish (too large, forbidden, unknown exchange) but does not say which: all of them go again
            // one at a time, and the one that is alone when it happens is the one.
            const int BasicPublishClass = 60, BasicPublishMethod = 40;
            var overPublish = closed is { Initiator: ShutdownInitiator.Peer, ClassId: BasicPublishClass, MethodId: BasicPublishMethod };
            if (overPublish && unknown is [var guilty])
            {
                guilty.Fail(new JobPublishException(guilty.Message.CorrelationId ?? "", maybeEnqueued: false, isTransient: false,
                    $"Job {guilty.Message.CorrelationId} for queue '{guilty.Queue}' ({guilty.Message.Body.Length:n0} bytes) was not enqueued; the broker refused it: {closed!.ReplyCode} {closed.ReplyText}"));
                unknown.Clear();
            }

            suspects = overPublish ? unknown.Count : suspects;
            for (var i = unknown.Count - 1; i >= 0; i--)
            {
                unknown[i].Returned = null;
                line.AddFirst(unknown[i]);
            }

            if (unknown.Count > 0)
            {
                Log.Republishing(logger, unknown.Count);
            }

            window = new(options.PublishWindow);
            blocked = null;
            writerIdle = false;
            if (current.Task.IsCompleted)
            {
                current = new(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }
    }

    Task SetBlocked(string? reason)
    {
        lock (gate)
        {
            blocked = reason;
            if (reason is null)
            {
                Log.Unblocked(logger, line.Count);
                WakeWriter();
            }
            else
            {
                Log.Blocked(logger, reason);
            }
        }

        return Task.CompletedTask;
    }

    /// <summary>A refusal for good is told to everyone who waits and was never sent.</summary>
    void Refused(JobTransportException problem) => FailLine(p => !p.MaybeSent, problem);

    void FailLine(Func<PendingPublish, bool> which, JobTransportException problem)
    {
        lock (gate)
        {
            foreach (var publish in line.Where(p => !p.Done && which(p)))
            {
                publish.Fail(publish.MaybeSent ? Overdue(publish) : NotEnqueued(publish.Message, problem, isTransient: false));
            }
        }
    }

    public void Cancel(PendingPublish publish, CancellationToken token)
    {
        lock (gate)
        {
            if (!publish.Done)
            {
                publish.Fail(new OperationCanceledException(token));
            }
        }
    }

    /// <summary>One timer for all deadlines, instead of one per message.</summary>
    void Sweep()
    {
        lock (gate)
        {
            var now = time.GetTimestamp();
            foreach (var publish in line.Concat(window.InOrder()).Where(p => !p.Done && p.Deadline <= now))
            {
                publish.Fail(Overdue(publish));
            }

            foreach (var publish in nacked.Where(p => !p.Done))
            {
                line.AddLast(publish);
            }

            nacked.Clear();

            // A queue without a leader never confirms: what its callers have given up must not fill the window for all other queues.
            if (blocked is null && !window.HasRoom(options.PublishWindow) && window.InOrder().FirstOrDefault() is { Done: true } && current.Task.IsCompletedSuccessfully)
            {
                current.Task.Result.Abandon("the oldest of a full window was not confirmed in time");
            }

            WakeWriter();
        }
    }

    JobPublishException Overdue(PendingPublish publish)
    {
        var id = publish.Message.CorrelationId ?? "";
        return publish.MaybeSent
            ? new(id, maybeEnqueued: true, isTransient: true,
                $"Job {id} for queue '{publish.Queue}' may or may not be enqueued: the broker did not confirm it in time{(blocked is null ? "" : $" (it blocks publishing: {blocked})")}. Enqueue it again with this id, so that its task can recognise a second copy.")
            : new(id, maybeEnqueued: false, isTransient: true,
                $"Job {id} for queue '{publish.Queue}' was not enqueued in time: {(blocked is not null ? $"the broker blocks publishing: {blocked}" : connection.LastFailure?.Message ?? "the broker was not reached")}.", connection.LastFailure);
    }

    static JobPublishException NotEnqueued(JobMessage message, Exception cause, bool isTransient) =>
        new(message.CorrelationId ?? "", maybeEnqueued: false, isTransient, $"Job {message.CorrelationId} was not enqueued: {cause.Message}", cause);

    void WakeWriter()
    {
        if (writerIdle)
        {
            writerIdle = false;
            wakeUp.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        lock (gate)
        {
            disposed = true;
        }

        await sweeper.DisposeAsync().ConfigureAwait(false);
        await connection.DisposeAsync().ConfigureAwait(false);
        lock (gate)
        {
            foreach (var publish in line.Concat(nacked).Where(p => !p.Done))
            {
                publish.Fail(Overdue(publish));
            }
        }
    }
}
