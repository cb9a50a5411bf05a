namespace Jobs.RabbitMQ;

/// <summary>
/// Keeps one consumer on one queue alive: on every connection of the subscription, and over lost channels.
/// </summary>
/// <remarks>
/// 1. The queue is declared, because it may be gone.
/// 2. A consumer starts on the queue.
/// 3. A watchdog watches the consumer.
/// 4. When the consumer is lost, another one follows after a pause.
/// 5. When the consumer may only be idle, another one follows at once. The idle one gets no more deliveries, and is
/// closed when its last job has ended.
/// When the broker refuses the queue or the consumer, this class keeps trying and leaves the connection up, so that
/// other queues are not affected.
/// </remarks>
sealed class QueueConsumer(ConsumedQueue queue, Topology topology, Inbox inbox, Publish publish, BrokerParts parts, Task begin) : IAsyncDisposable
{
    // Longer than a delivery takes from the socket to its consumer.
    static readonly TimeSpan retiring = TimeSpan.FromSeconds(1);

    // In this time the suspects of the main queue move to quarantine and are acked. If a suspect ran in quarantine at
    // once, it could kill the process before that ack. Then each process would leave one more copy, and copies would
    // come faster than they die.
    static readonly TimeSpan suspectsFirst = TimeSpan.FromSeconds(1);

    readonly LostDeliveries lostDeliveries = new(parts.Time);
    readonly HashSet<Consumer> consumers = []; // the consumer that gets deliveries, and those that finish their last jobs
    readonly Lock gate = new();
    readonly CancellationTokenSource stopping = new();

    public ConsumerState State { get; } = new(queue.Name, queue.IsQuarantine, parts.Time);

    /// <summary>Runs until the connection is over, or this queue is stopped.</summary>
    /// <param name="incarnation">The connection.</param>
    /// <param name="isFirst">
    /// Whether the subscription was never ready. A problem with a queue then stops the start, unless the problem is
    /// transient. Later it must not stop the other queues.
    /// </param>
    /// <param name="hasOutcome">
    /// Is called once, when there is a consumer or a refusal, or when the consumer must wait.
    /// </param>
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
                // Every time, because the queue may be gone. A queue that was deleted while we consumed gets its
                // binding to the delay levels again. Otherwise delayed jobs would not reach it: publishers have not
                // noticed that it was deleted.
                await (queue.IsQuarantine
                    ? topology.DeclareAsync(incarnation, parts.Layout.Quarantine(queue.JobQueue), life.Token)
                    : topology.EnsureAsync(
                        incarnation, queue.Name, delayed: queue.Quarantine is not null && failures > 0, takeForeign: false, life.Token)).ConfigureAwait(false);
                if (!begin.IsCompleted)
                {
                    Tell(); // the queue is declared, and the consumer waits for the host
                    await begin.WaitAsync(life.Token).ConfigureAwait(false);
                }

                if (queue.IsQuarantine && failures == 0)
                {
                    Tell();
                    await Task.Delay(suspectsFirst, parts.Time, life.Token).ConfigureAwait(false);
                }

                await topology.MayConsumeAsync(queue.Name, Tell, life.Token).ConfigureAwait(false);
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
            catch (Exception e) when (isFirst && !told && e is not JobTransportException { IsTransient: true })
            {
                incarnation.Abandon(e.Message);
                throw;
            }
            catch (Exception e)
            {
                failures++;
                pause = ReconnectBackOff.After(failures, parts.Random);
                if (State.Failed(e.Message))
                {
                    Log.ConsumerRefused(parts.Logger, queue.Name, e.Message.TrimEnd('.'));
                }

                Tell(); // one refused queue must not make the connection look lost
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

        // The linked token fires a moment after the channels learn that the connection is over.
        bool IsOver() => life.IsCancellationRequested || incarnation.Dead.IsCancellationRequested;
    }

    /// <summary>Asks the broker for no more deliveries. The deliveries that are here can still be settled.</summary>
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
            await consumer.CancelAsync(CancellationToken.None).ConfigureAwait(false); // StopAsync may have missed this consumer
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

    /// <returns>
    /// Whether the consumer may only have been idle, and retires. Otherwise it is lost, or the queue was stopped, or
    /// the connection is over.
    /// </returns>
    async Task<bool> WatchAsync(Incarnation incarnation, Consumer consumer, CancellationToken life)
    {
        var watchdog = new ConsumerWatchdog(incarnation, consumer, State, parts.Options.WatchdogInterval, parts.Time);
        var reason = await watchdog.WatchAsync(life).ConfigureAwait(false);
        if (stopping.IsCancellationRequested)
        {
            return false; // its jobs may still run: DisposeAsync ends the consumer
        }

        // When the connection is over, no consumer counts as lost: the connection has a log line of its own.
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

    /// <summary>Ends a consumer that was cancelled, when the jobs that it still received have ended.</summary>
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
