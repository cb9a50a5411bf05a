using System.Security.Cryptography;
using System.Threading.Channels;
using Jobs.Wire;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Jobs.RabbitMQ;

/// <summary>One consumer on one channel of one queue, from its first delivery to the end of the channel.</summary>
/// <remarks>
/// 1. The client's callback copies each message and hands it over; job code never runs in the callback.
/// 2. One loop collects the acks and sends them.
/// 3. When the channel is lost, the consumer remembers the deliveries that it held, and recognises their messages when
/// the broker delivers them again.
/// A queue that is not ours may be a classic queue that a policy mirrors (RabbitMQ 3.x). When the master of a mirrored
/// queue dies, the broker by default goes on delivering on this channel. But an ack with an old tag would then settle
/// whatever message has that position on the new master (server #4004, #4305). So we ask the broker to cancel the
/// consumer when the master dies. After the cancel we send nothing on the channel except its close.
/// </remarks>
sealed class Consumer : AsyncDefaultBasicConsumer, IAsyncDisposable
{
    // How long an ack waits for other acks, unless a batch is full.
    static readonly TimeSpan patience = TimeSpan.FromMilliseconds(5);

    // How long a silent peer may delay a stop.
    static readonly TimeSpan goodbye = TimeSpan.FromSeconds(5);

    readonly ConsumedQueue queue;
    readonly Inbox inbox;
    readonly LostDeliveries lostDeliveries;
    readonly BrokerParts parts;
    readonly Incarnation incarnation;
    readonly IChannel channel;
    readonly int ackBatch;
    readonly Lock gate = new();
    readonly AckWindow window;
    readonly Channel<bool> flushes = global::System.Threading.Channels.Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });
    readonly ITimer flushSoon; // one timer for all flushes, so that a flush allocates nothing
    readonly CancellationTokenSource voiding;
    readonly CancellationToken tagsVoid; // a copy: it can be used after its source is disposed
    readonly TaskCompletionSource<string> lost = new(TaskCreationOptions.RunContinuationsAsynchronously);
    Task acking = Task.CompletedTask;
    Task voided = Task.CompletedTask;
    string? tag;
    string? lastTask;
    bool gone;

    Consumer(ConsumedQueue queue, Inbox inbox, LostDeliveries lostDeliveries, Publish publish, BrokerParts parts, Incarnation incarnation, IChannel channel)
        : base(channel)
    {
        (this.queue, this.inbox, this.lostDeliveries, PublishAsync) = (queue, inbox, lostDeliveries, publish);
        (this.parts, this.incarnation, this.channel) = (parts, incarnation, channel);
        ackBatch = Math.Max(1, queue.Prefetch / 8);
        window = new(queue.Prefetch);
        flushSoon = parts.Time.CreateTimer(
            static consumer => ((Consumer)consumer!).flushes.Writer.TryWrite(true), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        voiding = CancellationTokenSource.CreateLinkedTokenSource(incarnation.Dead);
        tagsVoid = voiding.Token;
    }

    public ConsumedQueue Queue => queue;

    /// <summary>Publishes the retries, results and dead letters of the deliveries.</summary>
    public Publish PublishAsync { get; }

    /// <summary>Ends, with the reason, when this consumer gets no more deliveries.</summary>
    public Task<string> Lost => lost.Task;

    /// <summary>The number of deliveries so far. The watchdog reads it.</summary>
    public long Received { get; private set; }

    /// <summary>Whether the channel is lost, and its tags void.</summary>
    public bool IsGone => Volatile.Read(ref gone);

    public int Unsettled
    {
        get
        {
            lock (gate)
            {
                return window.Unsettled;
            }
        }
    }

    public static async Task<Consumer> StartAsync(
        ConsumedQueue queue, Inbox inbox, LostDeliveries lostDeliveries, Publish publish, BrokerParts parts, Incarnation incarnation, CancellationToken life)
    {
        if (queue.Quarantine is not null)
        {
            return await StartAsync(null).ConfigureAwait(false); // our own quorum queue: its tags stay valid when the leader changes
        }

        try
        {
            return await StartAsync(new() { ["x-cancel-on-ha-failover"] = true }).ConfigureAwait(false);
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.PreconditionFailed)
        {
            // The refusal shows that this is a quorum queue on RabbitMQ 3.x; nothing else shows it. We ask again at
            // each start, because the owner may have replaced the queue by one of another type.
            return await StartAsync(null).ConfigureAwait(false);
        }

        async Task<Consumer> StartAsync(Dictionary<string, object?>? arguments)
        {
            var channel = await incarnation.Connection.CreateChannelAsync(new(false, false, null, 1), life).ConfigureAwait(false);
            var consumer = new Consumer(queue, inbox, lostDeliveries, publish, parts, incarnation, channel);
            try
            {
                channel.ChannelShutdownAsync += (_, reason) => consumer.SetLost($"{reason.ReplyCode} {reason.ReplyText}");

                // The client raises this event when code that listens to the client's spans throws. Then the delivery
                // never reached us, and it would stay unacked as long as the channel lives.
                channel.CallbackExceptionAsync += (_, e) => consumer.SetLost($"a delivery did not arrive: {e.Exception.GetType().Name}");
                await channel.BasicQosAsync(0, (ushort)queue.Prefetch, global: false, life).ConfigureAwait(false);
                consumer.acking = Task.Run(consumer.AckLoopAsync, CancellationToken.None);
                consumer.tag = await channel.BasicConsumeAsync(
                    queue.Name, autoAck: false, ShortTag(), noLocal: false, exclusive: false, arguments, consumer, life).ConfigureAwait(false);
                return consumer;
            }
            catch
            {
                await consumer.DisposeAsync().ConfigureAwait(false);
                throw;
            }
        }
    }

    public override Task HandleBasicDeliverAsync(
        string consumerTag,
        ulong deliveryTag,
        bool redelivered,
        string exchange,
        string routingKey,
        IReadOnlyBasicProperties properties,
        ReadOnlyMemory<byte> body,
        CancellationToken cancellationToken = default)
    {
        try
        {
            return Receive(deliveryTag, redelivered, properties, body);
        }
        catch (Exception e)
        {
            // The client would swallow the exception, and the message would stay unacked for ever.
            return SetLost($"a delivery could not be taken: {e}");
        }
    }

    Task Receive(ulong deliveryTag, bool redelivered, IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body)
    {
        var message = MessageMapping.Message(properties, body, lastTask);
        lastTask = message.Headers.GetValueOrDefault(WireHeaders.Task) as string;
        if (incarnation.Inbound.TakeProblem(channel.ChannelNumber, deliveryTag) is { } lost)
        {
            message.Headers.Unreadable = lost;
        }

        var delivery = new RabbitMqDelivery(this, deliveryTag, message, MessageMapping.DeliveryCount(message));
        Received++;
        if (redelivered && lostDeliveries.Recognise(delivery) is { } before)
        {
            if (before.Adopt(this, deliveryTag))
            {
                Log.CameBack(parts.Logger, message.CorrelationId, queue.JobQueue, "not ended yet");
                return Task.CompletedTask;
            }

            if (before.IsAcked)
            {
                Log.CameBack(parts.Logger, message.CorrelationId, queue.JobQueue, "ended");
                Track(deliveryTag, delivery);
                return delivery.SettleAsync([]).AsTask();
            }
        }

        Track(deliveryTag, delivery);
        if (!queue.IsQuarantine && queue.Quarantine is { } quarantine && quarantine.Suspects(delivery.DeliveryCount))
        {
            quarantine.Take(delivery, inbox, tagsVoid);
        }
        else
        {
            inbox.Add(delivery);
        }

        return Task.CompletedTask;
    }

    public override Task HandleBasicCancelAsync(string consumerTag, CancellationToken cancellationToken = default) =>
        SetLost("the broker cancelled the consumer: the queue was deleted, or its node went down");

    public void Track(ulong deliveryTag, RabbitMqDelivery delivery)
    {
        lock (gate)
        {
            if (gone)
            {
                lostDeliveries.Remember([delivery]); // the client still had the delivery when the channel was lost
                return;
            }

            window.Add(deliveryTag, delivery);
        }
    }

    /// <summary>The job has ended. Its ack goes out with other acks.</summary>
    public void Complete(ulong deliveryTag)
    {
        int completed;
        lock (gate)
        {
            if (gone)
            {
                Log.LateSettlement(parts.Logger, queue.JobQueue);
                return;
            }

            window.Complete(deliveryTag);
            completed = window.Completed;
        }

        if (completed >= ackBatch)
        {
            flushes.Writer.TryWrite(true);
        }
        else if (completed == 1)
        {
            flushSoon.Change(patience, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Sends one ack or one return for one delivery.</summary>
    /// <returns>Whether it was written. If not, the broker delivers the message again.</returns>
    public async ValueTask<bool> AnswerAsync(ulong deliveryTag, bool ack)
    {
        if (IsGone)
        {
            return false; // the broker has taken the message back already
        }

        try
        {
            await (ack
                ? channel.BasicAckAsync(deliveryTag, multiple: false, tagsVoid)
                : channel.BasicNackAsync(deliveryTag, multiple: false, requeue: true, tagsVoid)).ConfigureAwait(false);
            lock (gate)
            {
                window.Answered(deliveryTag);
            }

            return true;
        }
        catch (Exception e) when (MeansGone(e))
        {
            await SetLost(e.Message).ConfigureAwait(false);
            return false;
        }
    }

    /// <summary>Asks the broker for no more deliveries. The deliveries that are here can still be settled.</summary>
    public async Task CancelAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (tag is not null && !gone)
            {
                using var deadline = new CancellationTokenSource(goodbye, parts.Time);
                using var life = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, incarnation.Dead, deadline.Token);
                await channel.BasicCancelAsync(tag, noWait: false, life.Token).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (MeansGone(e))
        {
            // A cancel that takes too long says nothing about the channel: running jobs can still be acked on it.
            if (incarnation.Dead.IsCancellationRequested || !channel.IsOpen)
            {
                await SetLost(e.Message).ConfigureAwait(false);
            }
        }
    }

    async Task AckLoopAsync()
    {
        var acks = new List<(ulong Tag, bool Multiple)>();
        try
        {
            while (await flushes.Reader.WaitToReadAsync().ConfigureAwait(false))
            {
                flushes.Reader.TryRead(out _);
                if (await FlushAsync(acks).ConfigureAwait(false))
                {
                    flushSoon.Change(patience, Timeout.InfiniteTimeSpan);
                }
            }
        }
        catch (Exception e)
        {
            // Any exception loses the channel: without this loop no ack goes out, while the broker goes on delivering.
            await SetLost(MeansGone(e) ? e.Message : $"its acks could not be sent: {e}").ConfigureAwait(false);
        }
    }

    /// <returns>Whether completed deliveries still wait behind a slow job.</returns>
    async ValueTask<bool> FlushAsync(List<(ulong Tag, bool Multiple)> acks)
    {
        acks.Clear();
        bool more;
        lock (gate)
        {
            if (gone)
            {
                return false; // no ack after a cancel: on a mirrored queue it may settle another message (server #4004)
            }

            window.TakeAcks(acks);
            more = window.Completed > 0;
        }

        foreach (var (upTo, multiple) in acks)
        {
            // The token ends this call when the broker's cancel comes while the call waits for a slow socket.
            await channel.BasicAckAsync(upTo, multiple, tagsVoid).ConfigureAwait(false);
        }

        return more;
    }

    /// <summary>The channel is lost, or gets no more deliveries: its tags are void.</summary>
    Task SetLost(string reason)
    {
        lock (gate)
        {
            if (!gone)
            {
                gone = true;
                lost.TrySetResult(reason); // before the cancel: calls that the cancel ends would report other reasons
                voided = voiding.CancelAsync(); // runs callbacks on the pool, not under the lock
                lostDeliveries.Remember(window.MayComeBack());
            }
        }

        flushes.Writer.TryComplete();
        return Task.CompletedTask;
    }

    /// <summary>
    /// Flushes the acks and closes the channel. The broker takes back the deliveries that are not acked.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        flushes.Writer.TryComplete();
        await flushSoon.DisposeAsync().ConfigureAwait(false);
        try
        {
            await acking.WaitAsync(goodbye, parts.Time).ConfigureAwait(false);
            if (!gone && !incarnation.Dead.IsCancellationRequested)
            {
                var acks = new List<(ulong, bool)>();
                while (await FlushAsync(acks).ConfigureAwait(false))
                {
                }

                // When the broker answers the close, it has processed the acks.
                await channel.CloseAsync(200, "Goodbye", abort: false, incarnation.Dead).WaitAsync(goodbye, parts.Time).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (MeansGone(e))
        {
        }

        await SetLost("closed").ConfigureAwait(false);
        _ = channel.DisposeAsync().AsTask(); // in the background: it may wait for a silent peer
        _ = UnlinkAsync(); // in the background too: an ack that is being written may wait for the peer
    }

    /// <summary>
    /// Unlinks our token from the connection's token, which outlives many consumers. The last call that waits with our
    /// token must have ended before that.
    /// </summary>
    async Task UnlinkAsync()
    {
        await Task.WhenAll(acking, voided).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        voiding.Dispose();
    }

    // The broker would make a longer tag, and the tag comes with every delivery. Operators tell consumers apart by the
    // tag.
    static string ShortTag() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4));

    // All exceptions that the client throws when a channel or connection is gone.
    static bool MeansGone(Exception e) =>
        e is OperationCanceledException or RabbitMQClientException or IOException or ObjectDisposedException or InvalidOperationException or TimeoutException;
}
