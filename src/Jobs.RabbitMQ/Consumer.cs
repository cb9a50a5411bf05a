using System.Security.Cryptography;
using System.Threading.Channels;
using Jobs.Wire;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Jobs.RabbitMQ;

/// <summary>One consumer on one channel of one queue, from its first delivery to the end of the channel.</summary>
/// <remarks>
/// The callback copies and hands over; job code never runs in it. Acks are collected and sent by one loop. When the channel is gone, what the consumer had in
/// hand is remembered, and recognised when the broker delivers it again.
/// A queue that is not ours may be a classic one that a policy mirrors (RabbitMQ 3.x). When its master dies the broker would go on delivering on this
/// channel, while a tag from before settles whatever message stands at its place on the new master (server #4004, #4305). So the broker is asked to cancel
/// the consumer then, and from the cancel on nothing is sent on the channel but its close.
/// </remarks>
sealed class Consumer : AsyncDefaultBasicConsumer, IAsyncDisposable
{
    // How long acks wait for others, unless a batch is full.
    static readonly TimeSpan patience = TimeSpan.FromMilliseconds(5);

    // How long a silent peer may hold up a stop.
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
    readonly Channel<bool> flushes =
        global::System.Threading.Channels.Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });
    readonly ITimer flushSoon; // one for all flushes: nothing is allocated for each
    readonly CancellationTokenSource voiding;
    readonly CancellationToken tagsVoid; // usable after its source is disposed
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
        flushSoon = parts.Time.CreateTimer(static consumer => ((Consumer)consumer!).flushes.Writer.TryWrite(true), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        voiding = CancellationTokenSource.CreateLinkedTokenSource(incarnation.Dead);
        tagsVoid = voiding.Token;
    }

    public ConsumedQueue Queue => queue;

    /// <summary>Publishes what comes of its deliveries.</summary>
    public Publish PublishAsync { get; }

    /// <summary>Ends with the reason when this consumer gets nothing any more.</summary>
    public Task<string> Lost => lost.Task;

    /// <summary>Deliveries so far: what the watchdog looks at.</summary>
    public long Received { get; private set; }

    /// <summary>Its tags are void.</summary>
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
            return await StartAsync(null).ConfigureAwait(false); // a quorum queue of ours: its tags outlive a change of leader
        }

        try
        {
            return await StartAsync(new() { ["x-cancel-on-ha-failover"] = true }).ConfigureAwait(false);
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.PreconditionFailed)
        {
            // A quorum queue on 3.x, and nothing but this says so. Not remembered: somebody else's queue may be another one next time.
            return await StartAsync(null).ConfigureAwait(false);
        }

        async Task<Consumer> StartAsync(Dictionary<string, object?>? arguments)
        {
            var channel = await incarnation.Connection.CreateChannelAsync(new(false, false, null, 1), life).ConfigureAwait(false);
            var consumer = new Consumer(queue, inbox, lostDeliveries, publish, parts, incarnation, channel);
            try
            {
                channel.ChannelShutdownAsync += (_, reason) => consumer.SetLost($"{reason.ReplyCode} {reason.ReplyText}");

                // Of a listener to the client's spans that throws: the delivery did not come to us, and would stay unacked for as long as the channel lives.
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

    public override Task HandleBasicDeliverAsync(string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey, IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
    {
        try
        {
            return Receive(deliveryTag, redelivered, properties, body);
        }
        catch (Exception e)
        {
            return SetLost($"a delivery could not be taken: {e}"); // the client would swallow it, and the message would stay unacked for ever
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
        SetLost("the broker cancelled it: the queue was deleted, or its node went down");

    public void Track(ulong deliveryTag, RabbitMqDelivery delivery)
    {
        lock (gate)
        {
            if (gone)
            {
                lostDeliveries.Remember([delivery]); // still in the client's hands when the channel was lost
                return;
            }

            window.Add(deliveryTag, delivery);
        }
    }

    /// <summary>The job has come to its end; the ack goes out with others.</summary>
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

    /// <summary>One ack or return of its own.</summary>
    /// <returns>Whether it was written; if not, the broker delivers it again.</returns>
    public async ValueTask<bool> AnswerAsync(ulong deliveryTag, bool ack)
    {
        if (IsGone)
        {
            return false; // the broker has taken it back already
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

    /// <summary>No more deliveries; those in hand can still be settled.</summary>
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
            // A cancel that takes too long says nothing about the channel: jobs that are running can still be acked on it.
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
            // Whatever it is: without this loop no ack goes out any more, while deliveries go on.
            await SetLost(MeansGone(e) ? e.Message : $"its acks could not be sent: {e}").ConfigureAwait(false);
        }
    }

    /// <returns>Whether completed deliveries are left, which wait behind a slow one.</returns>
    async ValueTask<bool> FlushAsync(List<(ulong Tag, bool Multiple)> acks)
    {
        acks.Clear();
        bool more;
        lock (gate)
        {
            if (gone)
            {
                return false; // never an ack after a cancel: on a mirrored queue it may settle another message (server #4004)
            }

            window.TakeAcks(acks);
            more = window.Completed > 0;
        }

        foreach (var (upTo, multiple) in acks)
        {
            await channel.BasicAckAsync(upTo, multiple, tagsVoid).ConfigureAwait(false); // the cancel may come while this waits for a slow socket
        }

        return more;
    }

    /// <summary>The channel is gone, or gets nothing any more: its tags are void.</summary>
    Task SetLost(string reason)
    {
        lock (gate)
        {
            if (!gone)
            {
                gone = true;
                lost.TrySetResult(reason); // first: what the cancel ends below has a reason of its own, and it is not why
                voided = voiding.CancelAsync(); // callbacks on the pool, not under the lock
                lostDeliveries.Remember(window.MayComeBack());
            }
        }

        flushes.Writer.TryComplete();
        return Task.CompletedTask;
    }

    /// <summary>Flushes the acks and closes the channel; the broker takes back what is not acked.</summary>
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

                // Answered: the acks have been processed.
                await channel.CloseAsync(200, "Goodbye", abort: false, incarnation.Dead).WaitAsync(goodbye, parts.Time).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (MeansGone(e))
        {
        }

        await SetLost("closed").ConfigureAwait(false);
        _ = channel.DisposeAsync().AsTask(); // may wait for a peer that is silent
        _ = UnlinkAsync(); // so may an ack that is being written
    }

    /// <summary>Lets go of the connection's token, which outlives many consumers; not before the last call that waits with ours has ended.</summary>
    async Task UnlinkAsync()
    {
        await Task.WhenAll(acking, voided).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        voiding.Dispose();
    }

    // The broker's own tags are longer, and one comes with every delivery. Operators tell consumers apart by it.
    static string ShortTag() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4));

    // Everything that the client throws when a channel or connection is not there any more.
    static bool MeansGone(Exception e) =>
        e is OperationCanceledException or RabbitMQClientException or IOException or ObjectDisposedException or InvalidOperationException or TimeoutException;
}
