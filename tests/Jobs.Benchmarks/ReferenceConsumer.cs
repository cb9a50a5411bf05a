using System.Diagnostics;
using RabbitMQ.Client;

namespace Jobs.Benchmarks;

/// <summary>The consuming half of a reference: counts each message, acks many at once, and a lone one after 5 ms.</summary>
sealed class ReferenceConsumer(IChannel channel, ushort prefetch, Countdown done, List<double> startLatencies) : AsyncDefaultBasicConsumer(channel)
{
    readonly ulong ackEvery = Math.Max(1UL, prefetch / 6UL);
    readonly Lock gate = new();
    ulong last;
    ulong acked;
    bool ackIsComing;

    public override async Task HandleBasicDeliverAsync(
        string consumerTag,
        ulong deliveryTag,
        bool redelivered,
        string exchange,
        string routingKey,
        IReadOnlyBasicProperties properties,
        ReadOnlyMemory<byte> body,
        CancellationToken cancellationToken = default)
    {
        var copy = body.ToArray();
        if (BitConverter.ToInt64(copy) is > 0 and var stamp)
        {
            startLatencies.Add(Stopwatch.GetElapsedTime(stamp).TotalMilliseconds);
        }

        bool now;
        bool soon;
        lock (gate)
        {
            last = deliveryTag;
            now = last - acked >= ackEvery;
            soon = !now && !ackIsComing;
            ackIsComing |= soon;
        }

        if (now)
        {
            await AckAsync();
        }
        else if (soon)
        {
            _ = AckSoonAsync();
        }

        done.Signal();
    }

    async Task AckSoonAsync()
    {
        await Task.Delay(5);
        ackIsComing = false;
        await AckAsync();
    }

    ValueTask AckAsync()
    {
        lock (gate)
        {
            if (last == acked)
            {
                return ValueTask.CompletedTask;
            }

            acked = last;
            return Channel.BasicAckAsync(acked, multiple: true);
        }
    }
}
