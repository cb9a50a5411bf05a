using System.Threading.Channels;
using Jobs.Transport;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Jobs.RabbitMQ;

/// <summary>
/// Asks where a stream begins and ends. The broker has no such question, and its message count is some seconds late. So
/// the probe reads the first message, and then the last chunk.
/// </summary>
sealed class LogProbe : AsyncDefaultBasicConsumer
{
    /// <summary>The argument of a consumer, and the header of each of its deliveries.</summary>
    public const string Offset = "x-stream-offset";

    const ushort Prefetch = 5_000; // more than a chunk has

    // A message that is there arrives within milliseconds.
    static readonly TimeSpan silence = TimeSpan.FromMilliseconds(500);
    static readonly TimeSpan silenceInChunk = TimeSpan.FromMilliseconds(20);

    readonly Channel<long> offsets = System.Threading.Channels.Channel.CreateUnbounded<long>();

    LogProbe(IChannel channel)
        : base(channel)
    {
    }

    public static async Task<LogExtent> ExtentAsync(Incarnation incarnation, string queue, TimeProvider time, CancellationToken life)
    {
        if (await ReadAsync(incarnation, queue, "first", mostMessages: 1, time, life).ConfigureAwait(false) is not { } first)
        {
            return new(0, 0);
        }

        var last = await ReadAsync(incarnation, queue, "last", Prefetch, time, life).ConfigureAwait(false) ?? first;
        return new(first, Math.Max(first, last) + 1);
    }

    /// <returns>The highest offset that came; <see langword="null"/> when none did.</returns>
    static async Task<long?> ReadAsync(Incarnation incarnation, string queue, string from, ushort mostMessages, TimeProvider time, CancellationToken life)
    {
        var channel = await incarnation.Connection.CreateChannelAsync(new(false, false, null, 1), life).ConfigureAwait(false);
        try
        {
            var probe = new LogProbe(channel);
            await channel.BasicQosAsync(0, mostMessages, global: false, life).ConfigureAwait(false);
            var arguments = new Dictionary<string, object?> { [Offset] = from };
            await channel.BasicConsumeAsync(queue, autoAck: false, "", noLocal: false, exclusive: false, arguments, probe, life).ConfigureAwait(false);
            long? last = null;
            for (var count = 0; count < mostMessages; count++)
            {
                if (await probe.NextAsync(last is null ? silence : silenceInChunk, time, life).ConfigureAwait(false) is not { } offset)
                {
                    break;
                }

                last = offset;
            }

            return last;
        }
        finally
        {
            _ = channel.DisposeAsync().AsTask(); // in the background: it may wait for a silent peer
        }
    }

    public override Task HandleBasicDeliverAsync(
        string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey, IReadOnlyBasicProperties properties,
        ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
    {
        if (OffsetOf(properties) is { } offset)
        {
            offsets.Writer.TryWrite(offset);
        }

        return Task.CompletedTask;
    }

    public override Task HandleChannelShutdownAsync(object channel, ShutdownEventArgs reason)
    {
        offsets.Writer.TryComplete();
        return Task.CompletedTask;
    }

    /// <summary>The place of a message in its stream; <see langword="null"/> when its queue is no stream.</summary>
    public static long? OffsetOf(IReadOnlyBasicProperties properties) =>
        properties.Headers?.TryGetValue(Offset, out var value) == true && value is long offset ? offset : null;

    async Task<long?> NextAsync(TimeSpan patience, TimeProvider time, CancellationToken life)
    {
        try
        {
            return await offsets.Reader.ReadAsync(life).AsTask().WaitAsync(patience, time, life).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TimeoutException or ChannelClosedException)
        {
            return null;
        }
    }
}
