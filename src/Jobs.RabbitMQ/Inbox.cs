using System.Threading.Channels;
using Jobs.Transport;

namespace Jobs.RabbitMQ;

/// <summary>What the consumers of a subscription have got and no slot has taken yet: at most a prefetch per queue.</summary>
sealed class Inbox
{
    readonly Channel<RabbitDelivery> ready = Channel.CreateUnbounded<RabbitDelivery>();

    public int Count => ready.Reader.Count;

    /// <summary>From the client's callback: never waits.</summary>
    /// <returns><see langword="false"/> when the subscription has been stopped.</returns>
    public bool TryAdd(RabbitDelivery delivery) => ready.Writer.TryWrite(delivery);

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

    /// <summary>Returns what is here to the broker.</summary>
    public async ValueTask GiveBackAsync()
    {
        while (ready.Reader.TryRead(out var delivery))
        {
            await delivery.ReleaseAsync().ConfigureAwait(false);
        }
    }
}
