using Jobs.Transport;
using Jobs.Wire;

namespace Jobs.RabbitMQ;

/// <summary>A delivery that remembers the channel it came by. A tag means nothing on another channel.</summary>
sealed class RabbitDelivery : Delivery
{
    readonly RabbitSubscription subscription;
    readonly Lock gate = new();
    Consumer consumer;
    ulong tag;
    JobMessage? message;

    public RabbitDelivery(RabbitSubscription subscription, Consumer consumer, ulong tag, string queue, JobMessage message, int deliveryCount)
    {
        (this.subscription, this.consumer, this.tag, this.message) = (subscription, consumer, tag, message);
        Queue = queue;
        DeliveryCount = deliveryCount;
        Identity = MessageIdentity.Of(message);
    }

    public override string Queue { get; }

    public override int DeliveryCount { get; }

    public override JobMessage Message => message ?? throw new InvalidOperationException("The delivery is settled.");

    /// <summary>By which it is recognised when the broker delivers it again.</summary>
    public MessageIdentity Identity { get; }

    /// <summary>It came to its end here, or was acked before its run; not the same as: the broker knows.</summary>
    public bool IsAcked { get; private set; }

    /// <summary>It came to its end, and its ack goes out with others.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>It was given back, and must run again.</summary>
    public bool IsReleased { get; private set; }

    /// <returns><see langword="false"/> when its channel has been lost meanwhile.</returns>
    public override bool TryStart()
    {
        lock (gate)
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
        lock (gate)
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

    protected override ValueTask<IReadOnlyDictionary<int, Exception>> WriteAsync(IReadOnlyList<Outgoing> outgoing) => subscription.PublishAsync(outgoing);

    protected override ValueTask LeaveAsync()
    {
        lock (gate)
        {
            (IsAcked, IsComplete) = (true, true);
            message = null; // the delivery may be remembered for a while; its body need not be
            consumer.Complete(tag);
        }

        return ValueTask.CompletedTask;
    }

    protected override ValueTask<bool> LeaveEarlyCoreAsync()
    {
        lock (gate)
        {
            IsAcked = true;
            return consumer.AnswerAsync(tag, ack: true);
        }
    }

    protected override async ValueTask ReleaseCoreAsync()
    {
        ValueTask<bool> answer;
        lock (gate)
        {
            IsReleased = true;
            answer = consumer.AnswerAsync(tag, ack: false);
        }

        await answer.ConfigureAwait(false);
    }
}

/// <summary>
/// What makes a message the same message when it is delivered again: id, second of publication, and the number of the copy. The id alone is not enough –
/// a retry copy has the same – and must not be: a user may enqueue the same id again tomorrow.
/// </summary>
readonly record struct MessageIdentity(string? Id, long Timestamp, int Copy)
{
    public static MessageIdentity Of(JobMessage message) =>
        new(message.CorrelationId, message.Timestamp, message.Headers.TryGetValue(WireHeaders.Copy, out var copy) && copy is int number ? number : 0);
}
