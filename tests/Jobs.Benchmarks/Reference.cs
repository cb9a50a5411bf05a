using System.Diagnostics;
using System.Text;
using RabbitMQ.Client;

namespace Jobs.Benchmarks;

/// <summary>
/// The yardstick: what a careful engineer writes by hand with RabbitMQ.Client for these guarantees. Quorum queue, persistent, mandatory, confirms pipelined in
/// a window, manual multiple acks, the same headers and body size; no framework.
/// </summary>
sealed class Reference : IAsyncDisposable
{
    public const int Prefetch = 300;
    const int AckEvery = 50;
    const string Queue = "bench.reference";

    readonly IConnection publishing;
    readonly IConnection consuming;
    readonly IChannel publisher;
    readonly IChannel consumer;
    readonly SemaphoreSlim window = new(512);
    readonly Lock gate = new();
    readonly Dictionary<ulong, (TaskCompletionSource? Done, long At)> unconfirmed = [];
    ulong oldest = 1;
    ulong next = 1;

    Reference(IConnection publishing, IConnection consuming, IChannel publisher, IChannel consumer) =>
        (this.publishing, this.consuming, this.publisher, this.consumer) = (publishing, consuming, publisher, consumer);

    public Countdown Done { get; } = new();

    public Countdown Confirmed { get; } = new();

    public List<double> StartLatencies { get; } = [];

    public List<double> ConfirmLatencies { get; } = [];

    public static async Task<Reference> StartAsync(string broker)
    {
        var factory = new ConnectionFactory { Uri = new(broker), AutomaticRecoveryEnabled = false };
        var publishing = await factory.CreateConnectionAsync();
        var consuming = await factory.CreateConnectionAsync();
        var reference = new Reference(
            publishing,
            consuming,
            await publishing.CreateChannelAsync(new(true, false, null, 1)),
            await consuming.CreateChannelAsync(new(false, false, null, 1)));
        await reference.consumer.QueueDeclareAsync(Queue, true, false, false, new Dictionary<string, object?> { ["x-queue-type"] = "quorum" });
        await reference.consumer.QueuePurgeAsync(Queue);
        reference.publisher.BasicAcksAsync += (_, e) => reference.OnConfirm(e.DeliveryTag, e.Multiple);
        await reference.consumer.BasicQosAsync(0, Prefetch, false);
        await reference.consumer.BasicConsumeAsync(Queue, false, new Loop(reference));
        return reference;
    }

    public async Task PublishAsync(int bodyLength, long stamp)
    {
        await window.WaitAsync();
        var id = Guid.CreateVersion7().ToString();
        var properties = new BasicProperties
        {
            ContentType = "application/json",
            ContentEncoding = "utf-8",
            CorrelationId = id,
            DeliveryMode = DeliveryModes.Persistent,
            Timestamp = new(DateTimeOffset.UtcNow.ToUnixTimeSeconds()),
            Headers = new Dictionary<string, object?> { ["task"] = "bench.noop", ["id"] = id },
        };
        var body = Encoding.UTF8.GetBytes(new string('x', bodyLength));
        BitConverter.TryWriteBytes(body, stamp);
        lock (gate)
        {
            unconfirmed[next++] = (null, stamp);
        }

        await publisher.BasicPublishAsync("", Queue, mandatory: true, properties, body);
    }

    Task OnConfirm(ulong tag, bool multiple)
    {
        lock (gate)
        {
            for (var i = multiple ? oldest : tag; i <= tag; i++)
            {
                if (unconfirmed.Remove(i, out var entry))
                {
                    ConfirmLatencies.Add(Stopwatch.GetElapsedTime(entry.At).TotalMilliseconds);
                    window.Release();
                    Confirmed.Signal();
                }
            }

            oldest = multiple ? tag + 1 : oldest;
        }

        return Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await publishing.CloseAsync();
        await consuming.CloseAsync();
    }

    sealed class Loop(Reference reference) : AsyncDefaultBasicConsumer(reference.consumer)
    {
        readonly Lock gate = new();
        ulong last;
        ulong acked;
        bool ackIsComing;

        public override async Task HandleBasicDeliverAsync(string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey, IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
        {
            var copy = body.ToArray();
            reference.StartLatencies.Add(Stopwatch.GetElapsedTime(BitConverter.ToInt64(copy)).TotalMilliseconds);
            bool now;
            bool soon;
            lock (gate)
            {
                last = deliveryTag;
                now = last - acked >= AckEvery;
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

            reference.Done.Signal();
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
}
