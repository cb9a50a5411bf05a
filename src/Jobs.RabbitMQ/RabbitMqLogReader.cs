using System.Threading.Channels;
using Jobs.Transport;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace Jobs.RabbitMQ;

/// <summary>Reads the stream of the history, over all lives of its connection.</summary>
/// <remarks>
/// 1. The reader consumes on a channel of its own on the side connection. An ack gives the broker credit for more, and
/// nothing else.
/// 2. After a lost channel, the reader consumes anew at the offset of the last entry, and not behind it: when the same
/// entry comes again, the stream is the same, and the reader goes on.
/// 3. When another entry comes, or none, the stream was deleted and made anew meanwhile, and the offset is void: a
/// broker would wait silently for an offset that the new stream does not have. The reader begins at the beginning.
/// 4. When the broker cancels the consumer, the stream is gone, and the reader begins anew too.
/// </remarks>
sealed class RabbitMqLogReader : LogReader
{
    const ushort Prefetch = 1_000;
    const int AckEach = 100;

    // An entry that is there comes within milliseconds.
    static readonly TimeSpan voidAfter = TimeSpan.FromSeconds(5);

    readonly RabbitMqLog log;
    readonly RabbitMqTransport transport;
    readonly BrokerParts parts;
    readonly CancellationTokenSource stopping;
    readonly Channel<(Consuming By, ulong Tag, LogEntry Entry)> arriving = Channel.CreateUnbounded<(Consuming, ulong, LogEntry)>();
    readonly Task running;
    LogStart start;
    LogEntry? last; // the last entry that came; the client calls one handler after another, and the loop looks between two consumers
    (Consuming By, ulong Tag)? unacked;
    int taken;

    public RabbitMqLogReader(RabbitMqLog log, RabbitMqTransport transport, BrokerParts parts, LogStart start)
    {
        (this.log, this.transport, this.parts, this.start) = (log, transport, parts, start);
        stopping = CancellationTokenSource.CreateLinkedTokenSource(log.Stopping);
        using (ExecutionContext.SuppressFlow()) // it outlives this call
        {
            running = Task.Run(RunAsync, CancellationToken.None);
        }
    }

    public override async ValueTask<IReadOnlyList<LogEntry>> NextAsync(CancellationToken cancellationToken)
    {
        if (taken >= AckEach || !arriving.Reader.TryPeek(out _))
        {
            await AckAsync().ConfigureAwait(false); // before a wait too: an unacked delivery would reach the broker's consumer time-out
        }

        ObjectDisposedException.ThrowIf(!await arriving.Reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false), this);
        var entries = new List<LogEntry>(AckEach);
        while (entries.Count < AckEach && arriving.Reader.TryRead(out var one))
        {
            entries.Add(one.Entry);
            unacked = (one.By, one.Tag);
        }

        taken += entries.Count;
        return entries;
    }

    public override async ValueTask DisposeAsync()
    {
        if (!running.IsCompleted)
        {
            await stopping.CancelAsync().ConfigureAwait(false);
            await running.ConfigureAwait(false);
            stopping.Dispose();
        }
    }

    async ValueTask AckAsync()
    {
        if (unacked is var (by, tag))
        {
            (unacked, taken) = (null, 0);
            await by.AckAsync(tag).ConfigureAwait(false);
        }
    }

    async Task RunAsync()
    {
        var failures = 0;
        await log.FirstAttempt.WaitAsync(stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        while (!stopping.IsCancellationRequested)
        {
            Incarnation? incarnation = null;
            try
            {
                incarnation = await transport.Side().ConnectedAsync(stopping.Token).ConfigureAwait(false);
                var end = await ConsumeAsync(incarnation, consumes: () => failures = 0).ConfigureAwait(false);
                if (end == End.IsNoStream)
                {
                    log.Failed($"queue '{parts.Layout.History.Name}' is no stream: delete it, or use another RabbitMqOptions.Prefix");
                    await PauseAsync(parts.Options.WatchdogInterval).ConfigureAwait(false);
                }
                else if (end is End.Gone or End.Void)
                {
                    BeginAnew(isGone: end == End.Gone);
                    continue;
                }
            }
            catch (Exception) when (stopping.IsCancellationRequested)
            {
                break;
            }
            catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.NotFound)
            {
                BeginAnew(isGone: true);
            }
            catch (Exception)
            {
                // The channel or the connection was lost, which the connection itself says.
            }

            await PauseAsync(ReconnectBackOff.After(++failures, parts.Random)).ConfigureAwait(false);
        }

        arriving.Writer.TryComplete();
    }

    void BeginAnew(bool isGone)
    {
        if (last is not null)
        {
            (last, start) = (null, LogStart.Beginning);
        }

        if (isGone)
        {
            log.IsGone();
        }
    }

    async Task PauseAsync(TimeSpan pause) =>
        await Task.Delay(pause, parts.Time, stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    async Task<End> ConsumeAsync(Incarnation incarnation, Action consumes)
    {
        using var life = CancellationTokenSource.CreateLinkedTokenSource(incarnation.Dead, stopping.Token);
        var channel = await incarnation.Connection.CreateChannelAsync(new(false, false, null, 1), life.Token).ConfigureAwait(false);
        try
        {
            var consumer = new Consuming(this, channel, incarnation, last);
            await channel.BasicQosAsync(0, Prefetch, global: false, life.Token).ConfigureAwait(false);
            await channel.BasicConsumeAsync(
                parts.Layout.History.Name, autoAck: false, "", noLocal: false, exclusive: false,
                new Dictionary<string, object?> { [LogProbe.Offset] = Offset() }, consumer, life.Token).ConfigureAwait(false);
            consumes();
            if (last is not null)
            {
                await Task.WhenAny(consumer.Ended, consumer.Verified, Task.Delay(voidAfter, parts.Time, life.Token)).ConfigureAwait(false);
                if (!consumer.Verified.IsCompleted && !consumer.Ended.IsCompleted && !life.IsCancellationRequested)
                {
                    return End.Void;
                }
            }

            return await consumer.Ended.WaitAsync(life.Token).ConfigureAwait(false);
        }
        finally
        {
            _ = channel.DisposeAsync().AsTask(); // in the background: it may wait for a silent peer
        }
    }

    object Offset() => (last?.Position ?? start.Position) is { } position ? position
        : start.Time is { } time ? new AmqpTimestamp(Math.Max(0, time.ToUnixTimeSeconds()))
        : "first";

    /// <summary>Why a consumer gets no more entries.</summary>
    enum End
    {
        /// <summary>The channel was lost.</summary>
        Lost,

        /// <summary>The stream was deleted.</summary>
        Gone,

        /// <summary>The stream is another one than before.</summary>
        Void,

        /// <summary>The queue of that name is of another type.</summary>
        IsNoStream,
    }

    sealed class Consuming : AsyncDefaultBasicConsumer
    {
        readonly RabbitMqLogReader reader;
        readonly Incarnation incarnation;
        readonly TaskCompletionSource<End> ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        readonly TaskCompletionSource verified = new(TaskCreationOptions.RunContinuationsAsynchronously);
        readonly LogEntry? expected;

        public Consuming(RabbitMqLogReader reader, IChannel channel, Incarnation incarnation, LogEntry? expected)
            : base(channel) => (this.reader, this.incarnation, this.expected) = (reader, incarnation, expected);

        public Task<End> Ended => ended.Task;

        /// <summary>Ends when the stream has turned out to be the same as before.</summary>
        public Task Verified => verified.Task;

        public async ValueTask AckAsync(ulong tag)
        {
            try
            {
                await Channel.BasicAckAsync(tag, multiple: true, incarnation.Dead).ConfigureAwait(false);
            }
            catch (Exception)
            {
                // The channel is lost, and its tags with it.
            }
        }

        public override Task HandleBasicDeliverAsync(
            string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey, IReadOnlyBasicProperties properties,
            ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
        {
            if (ended.Task.IsCompleted)
            {
                return Task.CompletedTask;
            }

            if (LogProbe.OffsetOf(properties) is not { } offset)
            {
                ended.TrySetResult(End.IsNoStream);
            }
            else if (expected is not { } before || offset > before.Position)
            {
                DateTimeOffset? time = properties.IsTimestampPresent() ? TimeOf(properties.Timestamp) : null;
                var entry = new LogEntry(offset, time, body.ToArray()); // the client's buffer is valid only now
                reader.last = entry;
                reader.arriving.Writer.TryWrite((this, deliveryTag, entry));
                verified.TrySetResult();
            }
            else if (offset == before.Position && !body.Span.SequenceEqual(before.Bytes.Span))
            {
                ended.TrySetResult(End.Void);
            }
            else
            {
                verified.TrySetResult();
                return AckAsync(deliveryTag).AsTask();
            }

            return Task.CompletedTask;
        }

        public override Task HandleBasicCancelAsync(string consumerTag, CancellationToken cancellationToken = default)
        {
            ended.TrySetResult(End.Gone);
            return Task.CompletedTask;
        }

        public override Task HandleChannelShutdownAsync(object channel, ShutdownEventArgs reason)
        {
            ended.TrySetResult(End.Lost);
            return Task.CompletedTask;
        }

        static DateTimeOffset? TimeOf(AmqpTimestamp stamp) =>
            stamp.UnixTime is >= 0 and <= 253_402_300_799 ? DateTimeOffset.FromUnixTimeSeconds(stamp.UnixTime) : null;
    }
}
