using RabbitMQ.Client;

namespace Jobs.Benchmarks;

/// <summary>
/// Results and chains as a careful engineer does them by hand with RabbitMQ.Client: the worker publishes the reply, or the next job, awaits its confirm, and acks
/// then; as many at once as the prefetch allows. All queues are quorum queues. The client keeps track of the confirms.
/// </summary>
sealed class FollowUpsByHand : IAsyncDisposable
{
    const string Queue = "bench.by-hand";
    const string Replies = "bench.by-hand.replies";
    const string Left = "left"; // how many jobs of the chain come after this one

    readonly BenchmarkOptions options;
    readonly Countdown ended = new();
    readonly SemaphoreSlim window;
    readonly IConnection caller;
    readonly IConnection worker;
    readonly IChannel publisher;

    FollowUpsByHand(BenchmarkOptions options, IConnection caller, IConnection worker, IChannel publisher)
    {
        (this.options, this.caller, this.worker, this.publisher) = (options, caller, worker, publisher);
        window = new(options.Window);
    }

    public static async Task<FollowUpsByHand> StartAsync(BenchmarkOptions options)
    {
        await BrokerResources.DeleteAsync(options.Broker, Queue);
        await BrokerResources.DeleteAsync(options.Broker, Replies);
        var factory = new ConnectionFactory { Uri = new(options.Broker), AutomaticRecoveryEnabled = false };
        var caller = await factory.CreateConnectionAsync();
        var worker = await factory.CreateConnectionAsync();
        var side = new FollowUpsByHand(options, caller, worker, await caller.CreateChannelAsync(new(true, true, null, 1)));
        var followUps = await worker.CreateChannelAsync(new(true, true, null, 1));
        await ConsumeAsync(worker, Queue, options.Prefetch, channel => new Worker(channel, followUps, side.ended));
        await ConsumeAsync(caller, Replies, 500, channel => new Caller(channel, side.ended));
        return side;
    }

    /// <summary>Publishes jobs whose results are awaited; completes when all have come.</summary>
    public Task CallManyAsync(int count) => RunAsync(count, left: 0, Replies);

    /// <summary>Publishes the first jobs of chains of three; completes when the last jobs have run.</summary>
    public Task ChainsAsync(int count) => RunAsync(count, left: 2, replyTo: null);

    public async ValueTask DisposeAsync()
    {
        await caller.CloseAsync();
        await worker.CloseAsync();
        await BrokerResources.DeleteAsync(options.Broker, Queue);
        await BrokerResources.DeleteAsync(options.Broker, Replies);
    }

    async Task RunAsync(int count, int left, string? replyTo)
    {
        var all = ended.Start(count);
        for (var i = 0; i < count; i++)
        {
            await window.WaitAsync();
            _ = PublishAsync(left, replyTo);
        }

        await all;
    }

    async Task PublishAsync(int left, string? replyTo)
    {
        await publisher.BasicPublishAsync("", Queue, true, Properties(Guid.CreateVersion7().ToString(), left, replyTo), new byte[options.Body]);
        window.Release();
    }

    static async Task ConsumeAsync(IConnection connection, string queue, ushort prefetch, Func<IChannel, IAsyncBasicConsumer> consumer)
    {
        var channel = await connection.CreateChannelAsync(new(false, false, null, 1));
        await channel.QueueDeclareAsync(queue, true, false, false, new Dictionary<string, object?> { ["x-queue-type"] = "quorum" });
        await channel.BasicQosAsync(0, prefetch, false);
        await channel.BasicConsumeAsync(queue, false, consumer(channel));
    }

    static BasicProperties Properties(string? id, int left, string? replyTo) => new()
    {
        ContentType = "application/json",
        ContentEncoding = "utf-8",
        CorrelationId = id,
        ReplyTo = replyTo,
        DeliveryMode = DeliveryModes.Persistent,
        Headers = new Dictionary<string, object?> { ["task"] = "bench.link", ["id"] = id, [Left] = left },
    };

    sealed class Worker(IChannel channel, IChannel publisher, Countdown ended) : AsyncDefaultBasicConsumer(channel)
    {
        public override Task HandleBasicDeliverAsync(
            string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey, IReadOnlyBasicProperties properties,
            ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
        {
            _ = FollowAsync(deliveryTag, (int)properties.Headers![Left]!, properties.CorrelationId, properties.ReplyTo, body.ToArray());
            return Task.CompletedTask;
        }

        async Task FollowAsync(ulong tag, int left, string? id, string? replyTo, byte[] body)
        {
            if (left > 0)
            {
                await publisher.BasicPublishAsync("", Queue, true, Properties(id, left - 1, null), body);
            }
            else if (replyTo is not null)
            {
                await publisher.BasicPublishAsync("", replyTo, true, Properties(id, 0, null), body);
            }
            else
            {
                ended.Signal();
            }

            await Channel.BasicAckAsync(tag, multiple: false);
        }
    }

    sealed class Caller(IChannel channel, Countdown ended) : AsyncDefaultBasicConsumer(channel)
    {
        public override async Task HandleBasicDeliverAsync(
            string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey, IReadOnlyBasicProperties properties,
            ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
        {
            _ = body.ToArray();
            ended.Signal();
            await Channel.BasicAckAsync(deliveryTag, multiple: false, cancellationToken);
        }
    }
}
