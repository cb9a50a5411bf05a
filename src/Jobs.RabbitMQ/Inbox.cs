using System.Collections.Concurrent;
using System.Threading.Channels;
using Jobs.Transport;

namespace Jobs.RabbitMQ;

/// <summary>What the consumers of a subscription have got and no slot has taken yet: at most a prefetch per queue.</summary>
sealed class Inbox
{
    readonly Channel<RabbitMqDelivery> ready = Channel.CreateUnbounded<RabbitMqDelivery>();

    // Came after the stop. Given back before the cancel is answered, the broker would deliver them here again.
    readonly ConcurrentQueue<RabbitMqDelivery> late = new();

    public int Count => ready.Reader.Count;

    /// <summary>From the client's callback: never waits.</summary>
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
            // What waited here when its channel was lost is void: the broker gives it out again.
            if (ready.Reader.TryRead(out var delivery) && delivery.TryStart())
            {
                return delivery;
            }
        }

        return null;
    }

    /// <summary>Takes nothing more.</summary>
    public void Close() => ready.Writer.TryComplete();

    /// <summary>Returns what is here to the broker; all at once, as one from quarantine has to be written first.</summary>
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
