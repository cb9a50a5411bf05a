using RabbitMQ.Client;

namespace Jobs.RabbitMQ;

/// <summary>Declares the stream of the history.</summary>
sealed partial class Topology
{
    /// <summary>
    /// Declares the stream over a connection of its own, and binds it to the events. On one of three nodes the broker
    /// ends that connection after 30 s (541).
    /// </summary>
    /// <exception cref="JobTransportException">
    /// The queue exists with other arguments, or may not be declared.
    /// </exception>
    public async Task DeclareHistoryAsync(Incarnation beside, CancellationToken cancellationToken)
    {
        if (Mode == DeclareMode.Declare || !await AreThereAsync(beside, [layout.History], [], cancellationToken).ConfigureAwait(false))
        {
            await AsideAsync(
                beside,
                layout.History.Name,
                (own, life) => DeclareAllAsync(own, [layout.History], channel => BindHistoryAsync(channel, life), life),
                cancellationToken).ConfigureAwait(false);
        }
    }

    async Task BindHistoryAsync(IChannel channel, CancellationToken cancellationToken)
    {
        // As Celery declares it, which may come first or later.
        await channel.ExchangeDeclareAsync(
            parts.Options.EventExchange, ExchangeType.Topic, durable: true, autoDelete: false, cancellationToken: cancellationToken).ConfigureAwait(false);
        foreach (var key in QueueLayout.HistoryKeys)
        {
            await channel.QueueBindAsync(layout.History.Name, parts.Options.EventExchange, key, cancellationToken: cancellationToken).ConfigureAwait(false);
        }
    }
}
