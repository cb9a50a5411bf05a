using Jobs.Transport;
using Jobs.Wire;

namespace Jobs.RabbitMQ;

/// <summary>A delivery that remembers its channel. A tag means nothing on another channel.</summary>
/// <remarks>
/// The delivery locks itself: a lock object for each delivery would cost noticeably, and no other code locks a
/// delivery.
/// </remarks>
sealed class RabbitMqDelivery(Consumer consumer, ulong tag, JobMessage received, int deliveryCount) : Delivery
{
    // How long a copy (a retry or a dead letter) waits for its confirm before the original is given back.
    static readonly TimeSpan settleTimeout = TimeSpan.FromMinutes(1);

    Consumer consumer = consumer;
    ulong tag = tag;
    JobMessage? message = received;
    MessageIdentity? identity;

    public override string Queue => consumer.Queue.JobQueue;

    public override int DeliveryCount => deliveryCount;

    public override bool IsQuarantined => consumer.Queue.IsQuarantine;

    public override JobMessage Message => message ?? throw new InvalidOperationException("The delivery is settled.");

    /// <summary>
    /// Proves that a message is the same when the broker delivers it again; <see langword="null"/> when nothing proves
    /// it.
    /// </summary>
    public MessageIdentity? Identity => Volatile.Read(ref message) is { } there ? MessageIdentity.Of(there) : identity;

    /// <summary>Whether the job ended here or was acked before its run. The broker may not know yet.</summary>
    public bool IsAcked { get; private set; }

    /// <summary>Whether the job has ended. Its ack goes out with other acks.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>Whether the delivery was given back. Its message must run again.</summary>
    public bool IsReleased { get; private set; }

    /// <returns><see langword="false"/> when the channel was lost meanwhile.</returns>
    public override bool TryStart()
    {
        lock (this)
        {
            if (!consumer.IsGone)
            {
                return true;
            }

            IsReleased = true;
            TryVoid();
            return false;
        }
    }

    /// <summary>
    /// The broker delivered this message again, on a new channel, while its job runs here. The end of the job settles
    /// the new delivery.
    /// </summary>
    /// <returns>Whether the job runs. Otherwise nothing changed.</returns>
    public bool Adopt(Consumer newConsumer, ulong newTag)
    {
        lock (this)
        {
            if (IsAcked || IsReleased)
            {
                return false;
            }

            (consumer, tag) = (newConsumer, newTag);
            newConsumer.Track(newTag, this);
            return true;
        }
    }

    protected override ValueTask<IReadOnlyDictionary<int, Exception>> WriteAsync(IReadOnlyList<Outgoing> outgoing) =>
        consumer.PublishAsync(outgoing, settleTimeout);

    protected override ValueTask LeaveAsync()
    {
        lock (this)
        {
            (IsAcked, IsComplete) = (true, true);
            identity = MessageIdentity.Of(message!);
            Volatile.Write(ref message, null); // the delivery may be remembered for a while; frees its body
            consumer.Complete(tag);
        }

        return ValueTask.CompletedTask;
    }

    protected override async ValueTask<bool> LeaveEarlyCoreAsync()
    {
        ValueTask<bool> answer;
        lock (this)
        {
            IsAcked = true; // before the answer: from here on no redelivery may be taken for a job that runs here
            answer = consumer.AnswerAsync(tag, ack: true);
        }

        var left = false;
        try
        {
            return left = await answer.ConfigureAwait(false);
        }
        finally
        {
            if (!left)
            {
                lock (this)
                {
                    (IsAcked, IsReleased) = (false, true); // the broker still has the message: when it comes again it must run
                }
            }
        }
    }

    protected override async ValueTask ReleaseCoreAsync()
    {
        // When the channel is lost, the broker has taken the message back already.
        if (IsQuarantined && !consumer.IsGone && await consumer.Queue.Quarantine!.TryWriteAgainAsync(Message, DeliveryCount).ConfigureAwait(false))
        {
            await LeaveAsync().ConfigureAwait(false);
            return;
        }

        ValueTask<bool> answer;
        lock (this)
        {
            IsReleased = true;
            answer = consumer.AnswerAsync(tag, ack: false);
        }

        await answer.ConfigureAwait(false);
    }
}
