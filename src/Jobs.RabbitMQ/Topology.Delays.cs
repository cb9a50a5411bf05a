using RabbitMQ.Client;

namespace Jobs.RabbitMQ;

/// <summary>Declares the delay levels.</summary>
sealed partial class Topology
{
    async Task DeclareDelaysAsync(Incarnation incarnation, CancellationToken cancellationToken)
    {
        await oneAtATime.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (!delays)
            {
                QueueSpec[] levels = [layout.DeadLetters, .. Enumerable.Range(0, Delays.Levels).Select(layout.DelayLevel)];
                var exchanges = levels[1..].Select(level => level.Name).Append(layout.DelayOut).Append(layout.DelayLost);
                var areThere = Mode == DeclareMode.Passive && await AreThereAsync(incarnation, levels, exchanges, cancellationToken).ConfigureAwait(false);
                await (areThere
                    ? BindAsync(incarnation, BindLevelsAsync, cancellationToken)
                    : DeclareAllAsync(incarnation, levels, DeclareExchangesAsync, cancellationToken)).ConfigureAwait(false);
                delays = true;
            }
        }
        finally
        {
            oneAtATime.Release();
        }

        async Task DeclareExchangesAsync(IChannel channel)
        {
            await ExchangeAsync(layout.DelayLost, ExchangeType.Fanout, null).ConfigureAwait(false);
            await ExchangeAsync(layout.DelayOut, ExchangeType.Topic, new() { ["alternate-exchange"] = layout.DelayLost }).ConfigureAwait(false);
            for (var level = 0; level < Delays.Levels; level++)
            {
                await ExchangeAsync(layout.DelayLevel(level).Name, ExchangeType.Topic, null).ConfigureAwait(false);
            }

            await BindLevelsAsync(channel).ConfigureAwait(false);

            Task ExchangeAsync(string exchange, string type, Dictionary<string, object?>? arguments) =>
                channel.ExchangeDeclareAsync(exchange, type, durable: true, autoDelete: false, arguments, passive: false, noWait: true, cancellationToken);
        }

        async Task BindLevelsAsync(IChannel channel)
        {
            await channel.QueueBindAsync(layout.DeadLetters.Name, layout.DelayLost, "", null, noWait: true, cancellationToken).ConfigureAwait(false);
            for (var level = 0; level < Delays.Levels; level++)
            {
                var (exchange, isLast) = (layout.DelayLevel(level).Name, level == Delays.Levels - 1);
                var (set, unset) = (Delays.BitPattern(level, set: true), Delays.BitPattern(level, set: false));
                await channel.QueueBindAsync(exchange, exchange, set, null, noWait: true, cancellationToken).ConfigureAwait(false);
                await channel.ExchangeBindAsync(layout.Below(level), exchange, unset, null, noWait: !isLast, cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
