using System.Threading.Channels;
using Jobs.Diagnostics;
using Jobs.Transport;
using Jobs.Wire;
using Microsoft.Extensions.Logging;

namespace Jobs.RabbitMQ;

/// <summary>The consumers of a worker, kept alive over lost channels and connections.</summary>
sealed class RabbitSubscription : JobSubscription
{
    // A redelivery after a lost connection comes within minutes; later the same identity is a coincidence.
    static readonly TimeSpan remembered = TimeSpan.FromMinutes(30);
    const int MaxRemembered = 100_000;

    // Longer than a delivery needs from the socket to its consumer.
    static readonly TimeSpan aMoment = TimeSpan.FromSeconds(1);

    readonly SubscriptionOptions subscription;
    readonly BrokerParts parts;
    readonly Topology topology;
    readonly RabbitMqTransport transport;
    readonly BrokerConnection connection;
    readonly Channel<RabbitDelivery> ready = Channel.CreateUnbounded<RabbitDelivery>();
    readonly Dictionary<MessageIdentity, (RabbitDelivery Delivery, long At)> mayComeBack = [];
    readonly HashSet<Consumer> consumers = [];
    readonly List<ConsumerState> states = [];
    readonly Lock gate = new();
    readonly CancellationTokenSource stopping = new();
    volatile bool handingOver = true;
    int starting;

    public RabbitSubscription(SubscriptionOptions subscription, BrokerParts parts, RabbitMqTransport transport)
    {
        (this.subscription, this.parts, this.transport, topology) = (subscription, parts, transport, new(parts));
        connection = new("consume", parts, SessionAsync);
        foreach (var queue in subscription.Queues)
        {
            states.Add(new(queue, isQuarantine: false, Time));
            if (HasQuarantine)
            {
                states.Add(new(Names.Quarantine(queue).Name, isQuarantine: true, Time));
            }
        }
    }

    public ILogger Logger => parts.Logger;

    public Telemetry Telemetry => parts.Telemetry;

    public TimeProvider Time => parts.Time;

    public BrokerNames Names => parts.Names;

    public int MaxDeliveries => subscription.MaxDeliveries;

    /// <summary>A queue that is somebody else's gets none.</summary>
    public bool HasQuarantine => topology.Mode == DeclareMode.Declare;

    /// <exception cref="JobTransportException">The broker, or a queue, is there and refuses.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        connection.Start();
        try
        {
            if (await connection.FirstAttempt.WaitAsync(cancellationToken).ConfigureAwait(false) is JobTransportException { IsTransient: false } refusal)
            {
                throw refusal;
            }
        }
        catch
        {
            await DisposeAsync().ConfigureAwait(false); // or it would hold jobs that nobody runs
            throw;
        }
    }

    public override async ValueTask<Delivery?> NextAsync()
    {
        while (await ready.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            // What waited here when its channel was lost is void: the broker gives it out again.
            if (ready.Reader.TryRead(out var delivery) && delivery.TryStart())
            {
                return delivery;
            }
        }

        return null;
    }

    public override SubscriptionHealth CheckHealth() => new()
    {
        Connection = connection.Health(forWork: false),
        Ready = ready.Reader.Count,
        Queues = [.. states.Select(s => s.Health())],
    };

    /// <summary>From the callback: never waits. The channel holds at most a prefetch per queue.</summary>
    public void HandOver(RabbitDelivery delivery)
    {
        if (handingOver)
        {
            ready.Writer.TryWrite(delivery);
        }

        // Stopped: it stays unacked, and goes back once, when the channel closes. Given back now, it would come to this consumer again at once.
    }

    /// <summary>Writes what comes of a delivery, pipelined.</summary>
    public ValueTask<IReadOnlyDictionary<int, Exception>> PublishAsync(IReadOnlyList<Outgoing> outgoing) =>
        transport.PublishAsync(outgoing, transport.SettleTimeout, CancellationToken.None);

    /// <summary>A channel is lost: the broker will deliver these again, perhaps to us.</summary>
    public void Remember(IEnumerable<RabbitDelivery> deliveries)
    {
        var now = Time.GetTimestamp();
        lock (mayComeBack)
        {
            foreach (var (identity, (delivery, at)) in mayComeBack)
            {
                if (delivery.IsSettled && (mayComeBack.Count > MaxRemembered || Time.GetElapsedTime(at, now) > remembered))
                {
                    mayComeBack.Remove(identity);
                }
            }

            foreach (var delivery in deliveries.Where(d => !d.IsReleased && d.Identity.Id is not null))
            {
                mayComeBack[delivery.Identity] = (delivery, now);
            }
        }
    }

    /// <summary>The delivery that this redelivered message was before, when it was ours.</summary>
    public RabbitDelivery? Recognise(RabbitDelivery redelivered)
    {
        lock (mayComeBack)
        {
            return mayComeBack.Remove(redelivered.Identity, out var before) ? before.Delivery : null;
        }
    }

    async Task SessionAsync(Incarnation incarnation, CancellationToken stop)
    {
        using var life = CancellationTokenSource.CreateLinkedTokenSource(incarnation.Dead, stop);
        topology.Forget();
        starting = subscription.Queues.Count * (HasQuarantine ? 2 : 1);
        var loops = subscription.Queues.SelectMany(queue => HasQuarantine
            ? new[] { ConsumeAsync(incarnation, queue, false, life.Token), ConsumeAsync(incarnation, queue, true, life.Token) }
            : [ConsumeAsync(incarnation, queue, false, life.Token)]);
        await Task.WhenAll(loops).ConfigureAwait(false);
        if (stopping.IsCancellationRequested)
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, Time, stop).ConfigureAwait(false); // the connection closes last, by DisposeAsync
        }
    }

    /// <summary>Keeps one consumer alive while the connection lives.</summary>
    async Task ConsumeAsync(Incarnation incarnation, string queue, bool isQuarantine, CancellationToken life)
    {
        var state = states.Find(s => s.Queue == (isQuarantine ? Names.Quarantine(queue).Name : queue))!;
        var failures = 0;
        var counted = false;
        var replaced = false;
        while (!Over() && !stopping.IsCancellationRequested)
        {
            Consumer? consumer = null;
            var pause = TimeSpan.Zero;
            try
            {
                // Every time, because the queue may be gone. One that was deleted while we consumed comes back with its way out of the delays, or what
                // is delayed would find none: publishers have not noticed.
                await (isQuarantine
                    ? topology.DeclareAsync(incarnation, Names.Quarantine(queue), life)
                    : topology.EnsureAsync(incarnation, queue, delayed: HasQuarantine && failures > 0, life)).ConfigureAwait(false);
                var prefetch = isQuarantine ? 1 : subscription.Prefetch;
                consumer = await Consumer.StartAsync(this, incarnation, queue, isQuarantine, prefetch, life).ConfigureAwait(false);
                Add(consumer);
                if (stopping.IsCancellationRequested)
                {
                    await consumer.CancelAsync(CancellationToken.None).ConfigureAwait(false); // StopAsync may have missed it
                    return;
                }

                if (state.Gained())
                {
                    Log.ConsumerRegained(Logger, state.Queue, prefetch);
                }
                else if (!isQuarantine && !replaced)
                {
                    Log.Consuming(Logger, queue, prefetch);
                }

                HasOutcome();
                failures = 1;
                var reason = await new ConsumerWatchdog(incarnation, consumer, state, parts.Options.WatchdogInterval, Time).WatchAsync(life).ConfigureAwait(false);
                if (Over() || stopping.IsCancellationRequested)
                {
                    return;
                }

                replaced = reason is null;
                if (reason is null)
                {
                    await consumer.CancelAsync(life).ConfigureAwait(false);
                    _ = RetireAsync(consumer);
                    consumer = null;
                }
                else
                {
                    state.Lost(reason);
                    Telemetry.ConsumerLost(state.Queue);
                    Log.ConsumerLost(Logger, state.Queue, reason);
                    pause = Topology.RedeclarePause;
                }
            }
            catch (Exception) when (Over())
            {
                return;
            }
            catch (Exception e) when (!connection.FirstAttempt.IsCompleted)
            {
                incarnation.Abandon(e.Message); // what is wrong with a queue at start stops the start; later it must not stop the other queues
                throw;
            }
            catch (Exception e)
            {
                failures++;
                pause = BackOff.After(failures, parts.Random);
                if (state.Failed(e.Message))
                {
                    Log.ConsumerRefused(Logger, state.Queue, e.Message.TrimEnd('.'));
                }

                HasOutcome(); // the connection works all the same: one refused queue must not make it look lost
            }
            finally
            {
                if (Over())
                {
                    state.Disconnected();
                }

                if (consumer is not null && !stopping.IsCancellationRequested)
                {
                    Remove(consumer);
                    await consumer.DisposeAsync().ConfigureAwait(false);
                }
            }

            await Task.Delay(pause, Time, life).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        if (Over())
        {
            state.Disconnected(); // during the pause
        }

        // The session is ready when every loop has come to something, once each: a consumer, or a refusal.
        void HasOutcome()
        {
            if (!counted && Interlocked.Decrement(ref starting) == 0)
            {
                connection.SessionReady();
            }

            counted = true;
        }

        // The connection's end is no loss of a consumer: it has a log line of its own. The linked token learns of it a moment after the channels do.
        bool Over() => life.IsCancellationRequested || incarnation.Dead.IsCancellationRequested;
    }

    /// <summary>Closes a consumer that was cancelled; not before what it was given meanwhile has come to its end.</summary>
    async Task RetireAsync(Consumer consumer)
    {
        do
        {
            await Task.WhenAny(consumer.Lost, Task.Delay(aMoment, Time)).ConfigureAwait(false);
        }
        while (!consumer.IsGone && consumer.Unsettled > 0);
        Remove(consumer);
        await consumer.DisposeAsync().ConfigureAwait(false);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await stopping.CancelAsync().ConfigureAwait(false);
        handingOver = false;
        ready.Writer.TryComplete();
        await Task.WhenAll(Snapshot().Select(consumer => consumer.CancelAsync(cancellationToken))).ConfigureAwait(false);

        // Given back at once, not when the channel closes: running jobs may take a while, and other workers are free.
        while (ready.Reader.TryRead(out var delivery))
        {
            await delivery.ReleaseAsync().ConfigureAwait(false);
        }
    }

    public override async ValueTask DisposeAsync()
    {
        await StopAsync(CancellationToken.None).ConfigureAwait(false);
        foreach (var consumer in Snapshot())
        {
            await consumer.DisposeAsync().ConfigureAwait(false);
        }

        await connection.DisposeAsync().ConfigureAwait(false);
        transport.Ended(this);
    }

    void Add(Consumer consumer)
    {
        lock (gate)
        {
            consumers.Add(consumer);
        }
    }

    void Remove(Consumer consumer)
    {
        lock (gate)
        {
            consumers.Remove(consumer);
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
