namespace Jobs.RabbitMQ;

/// <summary>
/// The deliveries of one queue whose channel was lost. The broker delivers their messages again, perhaps to this
/// process. Then this class recognises them.
/// </summary>
sealed class LostDeliveries(TimeProvider time)
{
    // A redelivery after a lost connection comes within minutes. A message that has not come after half an hour went to
    // another process.
    static readonly TimeSpan remembered = TimeSpan.FromMinutes(30);
    const int MaxRemembered = 100_000;

    readonly Lock gate = new();
    readonly Dictionary<MessageIdentity, (RabbitMqDelivery Delivery, long At)> deliveries = [];

    public int Count
    {
        get
        {
            lock (gate)
            {
                return deliveries.Count;
            }
        }
    }

    /// <summary>
    /// A channel is lost: keeps those of its deliveries that can be recognised and must not run again.
    /// </summary>
    public void Remember(IEnumerable<RabbitMqDelivery> lost)
    {
        var now = time.GetTimestamp();
        lock (gate)
        {
            foreach (var (identity, (delivery, at)) in deliveries)
            {
                if (delivery.IsSettled && (deliveries.Count > MaxRemembered || time.GetElapsedTime(at, now) > remembered))
                {
                    deliveries.Remove(identity);
                }
            }

            foreach (var delivery in lost)
            {
                if (!delivery.IsReleased && delivery.Identity is { } identity)
                {
                    deliveries[identity] = (delivery, now);
                }
            }
        }
    }

    /// <summary>Recognises a redelivered message. Each delivery is recognised at most once.</summary>
    /// <returns>
    /// The earlier delivery of the message; <see langword="null"/> when the message was not here, or nothing proves
    /// that it was.
    /// </returns>
    public RabbitMqDelivery? Recognise(RabbitMqDelivery redelivered)
    {
        lock (gate)
        {
            return deliveries.Count > 0 && redelivered.Identity is { } identity && deliveries.Remove(identity, out var before) ? before.Delivery : null;
        }
    }
}
