using System.Collections.Concurrent;
using System.Threading.Channels;
using Jobs.Transport;

namespace Jobs.RabbitMQ;

/// <summary>
/// The deliveries that the consumers of a subscription have received and no slot has taken yet: at most a prefetch per
/// queue.
/// </summary>
sealed class Inbox
{
    readonly Channel<RabbitMqDelivery> ready = Channel.CreateUnbounded<RabbitMqDelivery>();

    // Deliveries that came after the stop. If we gave them back before the broker answers the cancel, it would deliver
    // them here again.
    readonly ConcurrentQueue<RabbitMqDelivery> late = new();

    public int Count => ready.Reader.Count;

    /// <summary>Adds a delivery. The client's callback calls this, so it never waits.</summary>
    public void Add(RabbitMqDelivery delivery)
    {
        if (!ready.Writer.TryWrite(delivery))
        {
            late.Enqueue(delivery);
        }
    }

    /// <summary>The next delivery to run, or <see langword="null"/> when the subscription has been stopped.</summary>
    public async ValueTask<Delivery?> NextAsync()
    {
        while (await ready.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            // A delivery whose channel was lost while it waited here is void: the broker delivers the message again.
            if (ready.Reader.TryRead(out var delivery) && delivery.TryStart())
            {
                return delivery;
            }
        }

        return null;
    }

    /// <summary>
    /// Stops the flow to <see cref="NextAsync"/>. Deliveries that come after this wait for <see cref="GiveBackAsync"/>.
    /// </summary>
    public void Close() => ready.Writer.TryComplete();

    /// <summary>
    /// Returns all deliveries that are here to the broker. They are returned at the same time, because each delivery
    /// from quarantine must first be written again.
    /// </summary>
    public Task GiveBackAsync()
    {
        var returns = new List<Task>();
        while (ready.Reader.TryRead(out var delivery) || late.TryDequeue(out delivery))
        {
            returns.Add(delivery.ReleaseAsync().AsTask());
        }

        return Task.WhenAll(returns);
    }
}
