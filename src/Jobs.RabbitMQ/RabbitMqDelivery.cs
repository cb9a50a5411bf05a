using Jobs.Transport;
using Jobs.Wire;

namespace Jobs.RabbitMQ;

/// <summary>A delivery that remembers the channel it came by. A tag means nothing on another channel.</summary>
/// <remarks>It locks itself: one more object for each delivery would be felt, and nobody else locks a delivery.</remarks>
sealed class RabbitMqDelivery(Consumer consumer, ulong tag, JobMessage received, int deliveryCount) : Delivery
{
    // How long a retry or dead-letter copy waits for its confirm before the original is given back.
    static readonly TimeSpan settleTimeout = TimeSpan.FromMinutes(1);

    Consumer consumer = consumer;
    ulong tag = tag;
    JobMessage? message = received;
    MessageIdentity? identity;

    public override string Queue => consumer.Queue.JobQueue;

    public override int DeliveryCount => deliveryCount;

    public override bool IsQuarantined => consumer.Queue.IsQuarantine;

    public override JobMessage Message => message ?? throw new InvalidOperationException("The delivery is settled.");

    /// <summary>By which it is recognised when the broker delivers it again; <see langword="null"/> when nothing proves that it is the same message.</summary>
    public MessageIdentity? Identity => Volatile.Read(ref message) is { } there ? MessageIdentity.Of(there) : identity;

    /// <summary>It came to its end here, or was acked before its run; not the same as: the broker knows.</summary>
    public bool IsAcked { get; private set; }

    /// <summary>It came to its end, and its ack goes out with others.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>It was given back, and must run again.</summary>
    public bool IsReleased { get; private set; }

    /// <returns><see langword="false"/> when its channel has been lost meanwhile.</returns>
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

    /// <summary>The broker delivered this very message again, on a new channel, while the job is running here: that delivery is settled when the job ends.</summary>
    /// <returns>Whether the job is running; otherwise nothing changed.</returns>
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
            Volatile.Write(ref message, null); // the delivery may be remembered for a while; its body need not be
            consumer.Complete(tag);
        }

        return ValueTask.CompletedTask;
    }

    protected override async ValueTask<bool> LeaveEarlyCoreAsync()
    {
        ValueTask<bool> answer;
        lock (this)
        {
            IsAcked = true; // before the answer: from here on the message must not be recognised as one that runs
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
                    (IsAcked, IsReleased) = (false, true); // the broker has it still: when the message comes again it must run
                }
            }
        }
    }

    protected override async ValueTask ReleaseCoreAsync()
    {
        // A lost channel has returned it already.
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
