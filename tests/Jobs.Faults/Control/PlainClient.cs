using Jobs.Faults.Logs;
using Jobs.Faults.Sites;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Jobs.Faults.Control;

/// <summary>RabbitMQ.Client by hand, and done wrong.</summary>
static class PlainClient
{
    public static readonly byte[] Body = new byte[200];
    static readonly TimeSpan quiet = TimeSpan.FromSeconds(3);

    /// <summary>Takes for enqueued what was written to a connection, while connections are reset.</summary>
    public static async Task WithoutConfirmsAsync(Site site, RunFolder folder)
    {
        const string Queue = "controls.unconfirmed";
        const int Resets = 8;
        await DeclareAsync(site.Nodes[0], Queue, "quorum");
        using var records = new RecordFile(folder.NewFile("control") + ".bin");
        var number = 0;
        for (var reset = 0; reset < Resets; reset++)
        {
            await using var connection = await ConnectAsync(site.ClientUri);
            await using var channel = await connection.CreateChannelAsync();
            using var broken = new Timer(_ => site.Network.ResetAll(), null, TimeSpan.FromMilliseconds(300), Timeout.InfiniteTimeSpan);
            while (connection.IsOpen)
            {
                var key = new JobKey(folder.Run, 0, number++);
                records.Write(Said.Attempted, key);
                try
                {
                    await channel.BasicPublishAsync("", Queue, mandatory: true, Properties(key), Body);
                    records.Write(Said.Confirmed, key); // believed
                }
                catch (Exception)
                {
                    records.Write(Said.Unknown, key);
                    break;
                }
            }
        }

        await ConsumeAsync(site.Nodes[0], Queue, records);
        await DeleteAsync(site.Nodes[0], Queue);
    }

    /// <summary>Everything as it should be, but for the type of the queue, whose node dies and does not come back before all is counted.</summary>
    public static async Task NodeGoneAsync(Site site, RunFolder folder, string type)
    {
        const int Jobs = 2_000;
        var queue = "controls." + type;
        var (lost, other) = (site.Nodes[^1], site.Nodes[0]);
        await DeclareAsync(lost, queue, type);
        using var records = new RecordFile(folder.NewFile("control") + ".bin");
        await using (var connection = await ConnectAsync(lost.DirectUri))
        await using (var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true)))
        {
            for (var number = 0; number < Jobs; number++)
            {
                var key = new JobKey(folder.Run, 0, number);
                records.Write(Said.Attempted, key);
                await channel.BasicPublishAsync("", queue, mandatory: true, Properties(key), Body);
                records.Write(Said.Confirmed, key);
            }
        }

        await lost.KillAsync();
        await ConsumeAsync(other, queue, records);
        await site.HealAsync(Console.WriteLine);
        await DeleteAsync(other, queue);
    }

    public static async Task ConsumeAsync(SiteNode node, string queue, RecordFile records)
    {
        await using var connection = await ConnectAsync(node.DirectUri);
        await using var channel = await connection.CreateChannelAsync();
        var consumer = new Recorder(channel, records);
        try
        {
            await channel.BasicQosAsync(0, 256, global: false);
            await channel.BasicConsumeAsync(queue, autoAck: false, consumer);
        }
        catch (OperationInterruptedException)
        {
            return; // a classic queue whose node is down: nobody gets anything
        }

        int before;
        do
        {
            before = consumer.Count;
            await Task.Delay(quiet);
        }
        while (consumer.Count > before);
    }

    public static async Task DeclareAsync(SiteNode node, string queue, string type)
    {
        await using var connection = await ConnectAsync(node.DirectUri);
        await using var channel = await connection.CreateChannelAsync();
        await channel.QueueDeleteAsync(queue);
        await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-queue-type"] = type });
    }

    public static async Task DeleteAsync(SiteNode node, string queue)
    {
        await using var connection = await ConnectAsync(node.DirectUri);
        await using var channel = await connection.CreateChannelAsync();
        await channel.QueueDeleteAsync(queue);
    }

    public static async Task PurgeAsync(SiteNode node, string queue)
    {
        await using var connection = await ConnectAsync(node.DirectUri);
        await using var channel = await connection.CreateChannelAsync();
        await channel.QueuePurgeAsync(queue);
    }

    public static Task<IConnection> ConnectAsync(string uri) => new ConnectionFactory { Uri = new Uri(uri), AutomaticRecoveryEnabled = false }.CreateConnectionAsync();

    public static BasicProperties Properties(JobKey key) => new() { CorrelationId = key.ToString(), Persistent = true };

    sealed class Recorder(IChannel channel, RecordFile records) : AsyncDefaultBasicConsumer(channel)
    {
        int count;

        public int Count => Volatile.Read(ref count);

        public override async Task HandleBasicDeliverAsync(string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey, IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
        {
            _ = JobKey.TryParse(properties.CorrelationId, out var key);
            records.Write(Said.Started, key, 1);
            records.Write(Said.Finished, key, 1);
            Interlocked.Increment(ref count);
            await Channel.BasicAckAsync(deliveryTag, multiple: false, cancellationToken);
        }
    }
}
