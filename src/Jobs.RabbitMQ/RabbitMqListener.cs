using System.Text;
using Jobs.Transport;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace Jobs.RabbitMQ;

/// <summary>Listens to events through a queue of its own, which it declares anew on each connection.</summary>
/// <remarks>
/// The queue is exclusive. Celery's is not, and deletes itself after its last consumer: a process that dies between the
/// declaration and the consumer leaves it behind, and RabbitMQ 4.3 refuses it (rabbitmq.md §11, Q6).
/// </remarks>
sealed class RabbitMqListener(RabbitMqTransport transport, BrokerParts parts, string pattern, Action<RabbitMqListener> ended) : BroadcastSubscription
{
    readonly BroadcastQueue inbox = new();
    readonly CancellationTokenSource stopping = new();
    readonly TaskCompletionSource ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    Task running = Task.CompletedTask;
    bool hasSaid;

    public override long Dropped => inbox.Dropped;

    /// <summary>Begins to listen; completes when the broker hears every message for this listener.</summary>
    public Task StartAsync()
    {
        using (ExecutionContext.SuppressFlow()) // it outlives this call
        {
            running = Task.Run(RunAsync, CancellationToken.None);
        }

        return ready.Task;
    }

    public override ValueTask<BroadcastMessage?> NextAsync(CancellationToken cancellationToken) => inbox.NextAsync(cancellationToken);

    public override async ValueTask DisposeAsync()
    {
        ended(this);
        await stopping.CancelAsync().ConfigureAwait(false);
        ready.TrySetCanceled();
        inbox.Complete();
        await running.ConfigureAwait(false);
    }

    async Task RunAsync()
    {
        var failures = 0;
        while (!stopping.IsCancellationRequested)
        {
            Incarnation? incarnation = null;
            try
            {
                var side = transport.Side();
                incarnation = await side.ConnectedAsync(stopping.Token).ConfigureAwait(false);
                using var life = CancellationTokenSource.CreateLinkedTokenSource(incarnation.Dead, stopping.Token);
                await side.Topology.EnsureEventExchangeAsync(incarnation, life.Token).ConfigureAwait(false);
                await ConsumeAsync(incarnation, life.Token, consumes: () => failures = 0).ConfigureAwait(false);
            }
            catch (Exception) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception) when (incarnation?.Dead.IsCancellationRequested == true)
            {
                // The connection is lost, which the connection itself says.
            }
            catch (Exception e)
            {
                Failed(e);
            }

            var pause = ReconnectBackOff.After(++failures, parts.Random);
            await Task.Delay(pause, parts.Time, stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    async Task ConsumeAsync(Incarnation incarnation, CancellationToken life, Action consumes)
    {
        var channel = await incarnation.Connection.CreateChannelAsync(new(false, false, null, 1), life).ConfigureAwait(false);
        try
        {
            var queue = QueueLayout.Listener(parts.Options.EventExchange);
            await channel.QueueDeclareAsync(
                queue, durable: false, exclusive: true, autoDelete: false, QueueArguments.OfListener, cancellationToken: life).ConfigureAwait(false);
            await channel.QueueBindAsync(queue, parts.Options.EventExchange, pattern, cancellationToken: life).ConfigureAwait(false);
            var consumer = new Consuming(this, channel);
            await channel.BasicConsumeAsync(queue, autoAck: true, consumer, life).ConfigureAwait(false);
            hasSaid = false;
            consumes();
            ready.TrySetResult();
            await consumer.Ended.WaitAsync(life).ConfigureAwait(false);
        }
        finally
        {
            _ = channel.DisposeAsync().AsTask(); // in the background: it may wait for a silent peer
        }
    }

    // Whoever calls to listen hears of a refusal. One that comes later is logged, because nobody else would know of it.
    void Failed(Exception e)
    {
        var refusal = e is OperationInterruptedException { ShutdownReason: { ReplyCode: Constants.AccessRefused } reason }
            ? new JobTransportException(
                $"The user may not declare or read queues '{parts.Options.EventExchange}.…': {reason.ReplyText}. Grant 'configure', 'write' and 'read' "
                + "for them",
                inner: e)
            : e as JobTransportException;
        if (refusal is { IsTransient: false } && ready.TrySetException(refusal))
        {
            return;
        }

        if (!hasSaid && ready.Task.IsCompleted)
        {
            hasSaid = true;
            Log.ListeningRefused(parts.Logger, (refusal ?? e).Message.TrimEnd('.'));
        }
    }

    sealed class Consuming(RabbitMqListener listener, IChannel channel) : AsyncDefaultBasicConsumer(channel)
    {
        readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Ends when no more arrives.</summary>
        public Task Ended => ended.Task;

        public override Task HandleBasicDeliverAsync(
            string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey, IReadOnlyBasicProperties properties,
            ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
        {
            var sender = properties.Headers?.TryGetValue("hostname", out var value) == true && value is byte[] bytes ? Encoding.UTF8.GetString(bytes) : "";
            listener.inbox.Add(new() { Topic = routingKey, Body = body.ToArray(), Sender = sender }); // the client's buffer is valid only now
            return Task.CompletedTask;
        }

        public override Task HandleBasicCancelAsync(string consumerTag, CancellationToken cancellationToken = default)
        {
            ended.TrySetResult();
            return Task.CompletedTask;
        }

        public override Task HandleChannelShutdownAsync(object channel, ShutdownEventArgs reason)
        {
            ended.TrySetResult();
            return Task.CompletedTask;
        }
    }
}
