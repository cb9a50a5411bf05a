using RabbitMQ.Client;

namespace Jobs.Benchmarks;

/// <summary>Deletes what benchmarks declare. It deletes by name, because the management API may be out of reach; the broker takes it well when a name does not exist.</summary>
static class BrokerResources
{
    const int DelayLevels = 28;

    /// <summary>Deletes one queue.</summary>
    public static async Task DeleteAsync(string broker, string queue)
    {
        await using var connection = await new ConnectionFactory { Uri = new(broker) }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        await channel.QueueDeleteAsync(queue);
    }

    /// <summary>Deletes all that hosts with this prefix declare for themselves, and the queues named.</summary>
    public static async Task DeleteAllAsync(string broker, string prefix, string queue)
    {
        await using var connection = await new ConnectionFactory { Uri = new(broker) }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        var levels = Enumerable.Range(0, DelayLevels).Select(level => $"{prefix}.delay.{level:00}").ToList();
        foreach (var exchange in levels.Append($"{prefix}.delay.out"))
        {
            await channel.ExchangeDeleteAsync(exchange);
        }

        foreach (var name in levels.Append($"{prefix}.delay.lost").Append($"{prefix}.dead").Append($"{prefix}.history").Append($"{prefix}.quarantine.{queue}").Append(queue))
        {
            await channel.QueueDeleteAsync(name);
        }
    }
}
