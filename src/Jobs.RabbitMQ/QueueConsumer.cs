namespace Jobs.RabbitMQ;

/// <summary>Keeps one consumer on one queue alive: on every connection of the subscription, and over lost channels.</summary>
/// <remarks>
/// 1. The queue is declared: it may be gone. 2. A consumer starts on it. 3. A watchdog looks at the consumer. 4. A
/// consumer that is lost is followed by another one after a pause. One that may
/// only be idle is followed at once, and retires when its last job has ended. What the broker refuses is tried again
/// and again, so that other queues are not affected.
/// </remarks>
sealed class QueueConsumer(ConsumedQueue queue, Topology topology, Inbox inbox, Publish publish, BrokerParts parts, Task begin) : IAsyncDisposable
{
    // Longer than a delivery needs from the socket to its consumer.
    static readonly TimeSpan retiring = TimeSpan.FromSeconds(1);

    // In this time the suspects of the main queue are moved to quarantine and acked. A suspect that ran in quarantine at once could
    // kill the process before that ack: then each process would leave one more copy, and copies would come faster than they die.
    static readonly TimeSpan suspectsFirst = TimeSpan.FromSeconds(1);

    readonly LostDeliveries lostDeliveries = new(parts.Time);
    readonly HashSet<Consumer> consumers = []; // the one that gets deliveries, and those that retire
    readonly Lock gate = new();
    readonly CancellationTokenSource stopping = new();

    public ConsumerState State { get; } = new(queue.Name, queue.IsQuarantine, parts.Time);

    /// <summary>Runs until the connection is over, or this queue is stopped.</summary>
    /// <param name="incarnation">The connection.</param>
    /// <param name="isFirst">A subscription that never was ready: what is wrong with a queue then stops the start.
    /// Later it must not stop the other queues.</param>
    /// <param name="hasOutcome">Called once: there is a consumer, or a refusal.</param>
    /// <param name="connection">Fires when the connection is over.</param>
    public async Task RunAsync(Incarnation incarnation, bool isFirst, Action hasOutcome, CancellationToken connection)
    {
        using var life = CancellationTokenSource.CreateLinkedTokenSource(connection, stopping.Token);
        var (failures, told, replaces) = (0, false, false);
        while (!IsOver())
        {
            var pause = TimeSpan.Zero;
            try
            {
                // Every time, because the queue may be gone. One that was deleted while we consumed comes back with its way out of the delays, or what
                // is delayed would find none: publishers have not noticed.
                await (queue.IsQuarantine
                    ? topology.DeclareAsync(incarnation, parts.Layout.Quarantine(queue.JobQueue), life.Token)
                    : topology.EnsureAsync(
                        incarnation, queue.Name, delayed: queue.Quarantine is not null && failures > 0, takeForeign: false, life.Token)).ConfigureAwait(false);
                if (!begin.IsCompleted)
                {
                    Tell(); // the queue is there, and that is all there is to say yet
                    await begin.WaitAsync(life.Token).ConfigureAwait(false);
                }

                if (queue.IsQuarantine && failures == 0)
                {
                    Tell();
                    await Task.Delay(suspectsFirst, parts.Time, life.Token).ConfigureAwait(false);
                }

                var consumer = await StartAsync(incarnation, replaces, life.Token).ConfigureAwait(false);
                Tell();
                failures = 1;
                replaces = await WatchAsync(incarnation, consumer, life.Token).ConfigureAwait(false);
                pause = replaces ? TimeSpan.Zero : Topology.RedeclarePause;
            }
            catch (Exception) when (IsOver())
            {
                break;
            }
            catch (Exception e) when (isFirst && !told)
            {
                incarnation.Abandon(e.Message);
                throw;
            }
            catch (Exception e)
            {
                failures++;
                pause = BackOff.After(failures, parts.Random);
                if (State.Failed(e.Message))
                {
                    Log.ConsumerRefused(parts.Logger, queue.Name, e.Message.TrimEnd('.'));
                }

                Tell(); // the connection works all the same: one refused queue must not make it look lost
            }

            await Task.Delay(pause, parts.Time, life.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        if (!stopping.IsCancellationRequested)
        {
            State.Disconnected();
        }

        void Tell()
        {
            if (!told)
            {
                told = true;
                hasOutcome();
            }
        }

        // The linked token learns of the connection's end a moment after the channels do.
        bool IsOver() => life.IsCancellationRequested || incarnation.Dead.IsCancellationRequested;
    }

    /// <summary>No more deliveries; those in hand can still be settled.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await stopping.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(Snapshot().Select(consumer => consumer.CancelAsync(cancellationToken))).ConfigureAwait(false);
    }

    async Task<Consumer> StartAsync(Incarnation incarnation, bool replaces, CancellationToken life)
    {
        var consumer = await Consumer.StartAsync(queue, inbox, lostDeliveries, publish, parts, incarnation, life).ConfigureAwait(false);
        lock (gate)
        {
            consumers.Add(consumer);
        }

        if (stopping.IsCancellationRequested)
        {
            await consumer.CancelAsync(CancellationToken.None).ConfigureAwait(false); // StopAsync may have missed it
        }

        if (State.Gained())
        {
            Log.ConsumerRegained(parts.Logger, queue.Name, queue.Prefetch);
        }
        else if (!queue.IsQuarantine && !replaces)
        {
            Log.Consuming(parts.Logger, queue.Name, queue.Prefetch);
        }

        return consumer;
    }

    /// <returns>Whether it may only have been idle, and retires; otherwise it is lost, or all is over.</returns>
    async Task<bool> WatchAsync(Incarnation incarnation, Consumer consumer, CancellationToken life)
    {
        var reason = await new ConsumerWatchdog(incarnation, consumer, State, parts.Options.WatchdogInterval, parts.Time).WatchAsync(life).ConfigureAwait(false);
        if (stopping.IsCancellationRequested)
        {
            return false; // its jobs may be running still: DisposeAsync ends it
        }

        // The connection's end is no loss of a consumer: it has a log line of its own.
        var isOver = life.IsCancellationRequested || incarnation.Dead.IsCancellationRequested;
        if (reason is null && !isOver)
        {
            await consumer.CancelAsync(life).ConfigureAwait(false);
            _ = RetireAsync(consumer);
            return true;
        }

        if (!isOver)
        {
            State.Lost(reason!);
            parts.Telemetry.ConsumerLost(queue.Name);
            Log.ConsumerLost(parts.Logger, queue.Name, reason!);
        }

        await EndAsync(consumer).ConfigureAwait(false);
        return false;
    }

    /// <summary>Ends a consumer that was cancelled; not before what it was given meanwhile has come to its end.</summary>
    async Task RetireAsync(Consumer consumer)
    {
        do
        {
            await Task.WhenAny(consumer.Lost, Task.Delay(retiring, parts.Time)).ConfigureAwait(false);
        }
        while (!consumer.IsGone && consumer.Unsettled > 0);
        await EndAsync(consumer).ConfigureAwait(false);
    }

    async Task EndAsync(Consumer consumer)
    {
        lock (gate)
        {
            consumers.Remove(consumer);
        }

        await consumer.DisposeAsync().ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync(CancellationToken.None).ConfigureAwait(false);
        if (queue.Quarantine is not null)
        {
            await queue.Quarantine.IdleAsync().ConfigureAwait(false);
        }

        foreach (var consumer in Snapshot())
        {
            await consumer.DisposeAsync().ConfigureAwait(false);
        }
    }

    Consumer[] Snapshot()
    {
        lock (gate)
        {
            return [.. consumers];
        }
    }
}
