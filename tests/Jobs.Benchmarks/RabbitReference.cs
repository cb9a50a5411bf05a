using System.Diagnostics;
using System.Text;
using RabbitMQ.Client;

namespace Jobs.Benchmarks;

/// <summary>
/// The yardstick: what a careful engineer writes by hand with RabbitMQ.Client for the guarantees of Jobs. Quorum queue, persistent, mandatory, confirms pipelined
/// in a window, manual multiple acks, the same headers and body size; no framework. Derived classes differ in who keeps track of the confirms.
/// </summary>
abstract class RabbitReference(BenchmarkOptions options, string name, bool clientTracks) : ISide
{
    readonly int stampedLength = options.Body + "1234567890123456,".Length; // as the body of the job that Jobs enqueues one by one
    readonly string largeText = options.Text();
    readonly string queue = $"bench.{name}";
    readonly Countdown done = new();
    IConnection? publishing;
    IConnection? consuming;

    public string Name => name;

    public List<double> StartLatencies { get; } = [];

    protected int Window => options.Window;

    protected IChannel Publisher { get; private set; } = null!;

    public async Task StartAsync()
    {
        await BrokerResources.DeleteAsync(options.Broker, queue);
        var factory = new ConnectionFactory { Uri = new(options.Broker), AutomaticRecoveryEnabled = false };
        publishing = await factory.CreateConnectionAsync();
        consuming = await factory.CreateConnectionAsync();
        Publisher = await publishing.CreateChannelAsync(new(true, clientTracks, null, 1));
        var consumer = await consuming.CreateChannelAsync(new(false, false, null, 1));
        await consumer.QueueDeclareAsync(queue, true, false, false, new Dictionary<string, object?> { ["x-queue-type"] = "quorum" });
        await consumer.BasicQosAsync(0, options.Prefetch, false);
        await consumer.BasicConsumeAsync(queue, false, new ReferenceConsumer(consumer, options.Prefetch, done, StartLatencies));
    }

    public Task Expect(int count) => done.Start(count);

    public abstract Task EnqueueManyAsync(int count);

    public abstract Task EnqueueAsync();

    /// <summary>Publishes one of many.</summary>
    protected ValueTask PublishAsync() => PublishAsync(options.Body, stamp: 0);

    /// <summary>Publishes one whose latency is of interest.</summary>
    protected ValueTask PublishStampedAsync() => PublishAsync(stampedLength, Stopwatch.GetTimestamp());

    ValueTask PublishAsync(int length, long stamp)
    {
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

        // A text of its own for each message: so it was when the budgets were set, and figures must compare with those. Of a large body this second copy
        // would be most of what is measured, in favour of Jobs, which encodes the same text again and again.
        const int Large = 64 * 1024;
        var body = Encoding.UTF8.GetBytes(length < Large ? new string('x', length) : largeText);
        BitConverter.TryWriteBytes(body, stamp);
        return Publisher.BasicPublishAsync("", queue, mandatory: true, properties, body);
    }

    public async ValueTask DisposeAsync()
    {
        await (publishing?.CloseAsync() ?? Task.CompletedTask);
        await (consuming?.CloseAsync() ?? Task.CompletedTask);
        await BrokerResources.DeleteAsync(options.Broker, queue);
    }
}
