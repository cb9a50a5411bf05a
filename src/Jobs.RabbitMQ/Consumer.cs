using Jobs.Wire;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Jobs.RabbitMQ;

/// <summary>One consumer on one channel of one queue, from its first delivery to the end of the channel.</summary>
/// <remarks>
/// The callback copies and hands over; job code never runs in it. Acks are collected and sent by one loop. When the channel is gone, what it had in
/// hand is handed to the subscription, which recognises it when the broker delivers it again.
/// A message that was given out <see cref="suspectAfter"/> times without an end may kill its worker each time. It is moved to a quarantine queue, whose
/// consumers take one message at a time: there the delivery count grows only for the one that was running, so innocents that were
/// merely prefetched beside it are never dead-lettered for it.
/// A queue that is not ours may be a classic one that a policy mirrors (RabbitMQ 3.x). When its master dies the broker would go on delivering on this
/// channel, while a tag from before settles whatever message stands at its place on the new master (server #4004, #4305). So the broker is asked to cancel
/// the consumer then, and from the cancel on nothing is sent on the channel but its close.
/// </remarks>
sealed class Consumer : AsyncDefaultBasicConsumer, IAsyncDisposable
{
    static readonly TimeSpan ackInterval = TimeSpan.FromMilliseconds(5);
    static readonly TimeSpan quarantinePause = TimeSpan.FromSeconds(1); // given back, it comes again at once; what refuses it may need a while

    // How long a silent peer may hold up a stop.
    static readonly TimeSpan goodbye = TimeSpan.FromSeconds(5);

    readonly RabbitSubscription subscription;
    readonly Incarnation incarnation;
    readonly IChannel channel;
    readonly string queue;
    readonly string consumedQueue;
    readonly bool isQuarantine;
    readonly int suspectAfter;
    readonly int ackBatch;
    readonly ILogger logger;
    readonly Lock gate = new();
    readonly AckWindow window;
    readonly SemaphoreSlim ackNow = new(0, 1);
    readonly SemaphoreSlim ackSoon = new(0, 1);
    readonly CancellationTokenSource ended = new();
    readonly CancellationTokenSource voiding;
    readonly CancellationToken tagsVoid; // usable after its source is disposed
    readonly TaskCompletionSource<string> lost = new(TaskCreationOptions.RunContinuationsAsynchronously);
    Task acking = Task.CompletedTask;
    Task voided = Task.CompletedTask;
    string? tag;
    bool gone;

    Consumer(RabbitSubscription subscription, Incarnation incarnation, IChannel channel, string queue, bool isQuarantine, int prefetch)
        : base(channel)
    {
        (this.subscription, this.incarnation, this.channel, this.queue, this.isQuarantine) = (subscription, incarnation, channel, queue, isQuarantine);
        consumedQueue = isQuarantine ? subscription.Names.Quarantine(queue).Name : queue;
        // Not fewer than five: resets of connections alone return what is prefetched, too. And in quarantine as many are left again, as there a job may still wait beside one that kills.
        suspectAfter = Math.Min(5, subscription.MaxDeliveries / 2);
        ackBatch = Math.Max(1, prefetch / 8);
        logger = subscription.Logger;
        window = new(prefetch);
        voiding = CancellationTokenSource.CreateLinkedTokenSource(incarnation.Dead);
        tagsVoid = voiding.Token;
    }

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

    public static async Task<Consumer> StartAsync(RabbitSubscription subscription, Incarnation incarnation, string queue, bool isQuarantine, int prefetch, CancellationToken life)
    {
        if (subscription.HasQuarantine)
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
            var consumer = new Consumer(subscription, incarnation, channel, queue, isQuarantine, prefetch);
            try
            {
                channel.ChannelShutdownAsync += (_, reason) => consumer.SetLost($"{reason.ReplyCode} {reason.ReplyText}");
                await channel.BasicQosAsync(0, (ushort)prefetch, global: false, life).ConfigureAwait(false);
                consumer.acking = Task.Run(consumer.AckLoopAsync, CancellationToken.None);
                consumer.tag = await channel.BasicConsumeAsync(consumer.consumedQueue, autoAck: false, "", noLocal: false, exclusive: false, arguments, consumer, life).ConfigureAwait(false);
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
        var message = MessageMapping.Message(properties, body);
        var count = MessageMapping.Count(message, "x-delivery-count") + MessageMapping.Count(message, WireHeaders.Deliveries);
        var delivery = new RabbitDelivery(subscription, this, deliveryTag, queue, message, count);
        Received++;
        if (redelivered && subscription.Recognise(delivery) is { } before)
        {
            if (before.Adopt(this, deliveryTag))
            {
                Log.CameBack(logger, message.CorrelationId, queue, "not ended yet");
                return Task.CompletedTask;
            }

            if (before.IsAcked)
            {
                Log.CameBack(logger, message.CorrelationId, queue, "ended");
                Track(deliveryTag, delivery);
                return delivery.SettleAsync([]).AsTask();
            }
        }

        Track(deliveryTag, delivery);
        if (count >= suspectAfter && !isQuarantine && subscription.HasQuarantine)
        {
            _ = QuarantineAsync(delivery, count); // not awaited: nothing may hold up the callback, a publish least of all
        }
        else
        {
            subscription.HandOver(delivery);
        }

        return Task.CompletedTask;
    }

    public override Task HandleBasicCancelAsync(string consumerTag, CancellationToken cancellationToken = default) =>
        SetLost("the broker cancelled it: the queue was deleted, or its node went down");

    public void Track(ulong deliveryTag, RabbitDelivery delivery)
    {
        lock (gate)
        {
            if (gone)
            {
                subscription.Remember([delivery]); // still in the client's hands when the channel was lost
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
                Log.LateSettlement(logger, queue);
                return;
            }

            window.Complete(deliveryTag);
            completed = window.Completed;
        }

        if (completed == 1)
        {
            Signal(ackSoon);
        }

        if (completed >= ackBatch)
        {
            Signal(ackNow);
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
                using var patience = new CancellationTokenSource(goodbye, subscription.Time);
                using var life = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, incarnation.Dead, patience.Token);
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

    async Task QuarantineAsync(RabbitDelivery delivery, int count)
    {
        var quarantine = subscription.Names.Quarantine(queue).Name;
        try
        {
            var copy = delivery.Message.Copy(Random.Shared.Next());
            copy.Headers[WireHeaders.Deliveries] = suspectAfter; // not its count: beside a poison that kills faster than this move, an innocent's grows too
            await delivery.SettleAsync([new(quarantine, copy)]).ConfigureAwait(false);
            subscription.Telemetry.Quarantined(queue);
            Log.Quarantined(logger, delivery.Identity.Id, queue, count, quarantine);
        }
        catch (Exception e)
        {
            Log.QuarantineFailed(logger, delivery.Identity.Id, queue, e);
            await Task.Delay(quarantinePause, subscription.Time, tagsVoid).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await delivery.ReleaseAsync().ConfigureAwait(false);
        }
    }

    async Task AckLoopAsync()
    {
        var acks = new List<(ulong Tag, bool Multiple)>();
        try
        {
            while (!gone)
            {
                await ackSoon.WaitAsync(ended.Token).ConfigureAwait(false);
                bool more;
                do
                {
#pragma warning disable RS0030 // Not on TimeProvider yet: a token that fires would throw every few milliseconds.
                    await ackNow.WaitAsync(ackInterval, ended.Token).ConfigureAwait(false); // a full batch, or a little patience
#pragma warning restore RS0030
                    more = await FlushAsync(acks).ConfigureAwait(false);
                }
                while (more);
            }
        }
        catch (OperationCanceledException)
        {
        }
        catch (Exception e) when (MeansGone(e))
        {
            await SetLost(e.Message).ConfigureAwait(false);
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
                voided = voiding.CancelAsync(); // callbacks on the pool, not under the lock
                subscription.Remember(window.MayComeBack());
            }
        }

        lost.TrySetResult(reason);
        return Task.CompletedTask;
    }

    /// <summary>Flushes the acks and closes the channel; the broker takes back what is not acked.</summary>
    public async ValueTask DisposeAsync()
    {
        await ended.CancelAsync().ConfigureAwait(false);
        try
        {
            await acking.WaitAsync(goodbye).ConfigureAwait(false);
            if (!gone && !incarnation.Dead.IsCancellationRequested)
            {
                var acks = new List<(ulong, bool)>();
                while (await FlushAsync(acks).ConfigureAwait(false))
                {
                }

                await channel.CloseAsync(200, "Goodbye", abort: false, incarnation.Dead).WaitAsync(goodbye).ConfigureAwait(false); // answered: the acks have been processed
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

    // Everything that the client throws when a channel or connection is not there any more.
    static bool MeansGone(Exception e) => e is OperationCanceledException or global::RabbitMQ.Client.Exceptions.RabbitMQClientException or IOException or ObjectDisposedException or InvalidOperationException or TimeoutException;

    static void Signal(SemaphoreSlim semaphore)
    {
        if (semaphore.CurrentCount == 0)
        {
            try
            {
                semaphore.Release();
            }
            catch (SemaphoreFullException)
            {
                // somebody else was first; once is enough
            }
        }
    }
}
