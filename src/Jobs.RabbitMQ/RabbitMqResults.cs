using Jobs.Transport;
using Jobs.Wire;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace Jobs.RabbitMQ;

/// <summary>
/// The results of the jobs that this process enqueues: they come to a reply queue of the process, as Celery's do with
/// <c>rpc://</c>.
/// </summary>
/// <remarks>
/// 1. The first job whose result is asked for declares a queue with a random name. The queue deletes itself when nobody
/// has consumed it for half an hour.
/// 2. The process consumes the queue over its side connection, and after each reconnect anew: results that were written
/// meanwhile are in the queue.
/// 3. What arrives is kept in the <see cref="StatusBook"/>.
/// 4. When the queue is gone, calls that wait fail, and the next job gets a new queue.
/// </remarks>
sealed class RabbitMqResults : ResultStore, IAsyncDisposable
{
    const ushort Prefetch = 500;

    // A queue without a majority cannot be declared; another name may lie on other nodes (rabbitmq.md §11, Q6).
    static readonly TimeSpan declarePatience = TimeSpan.FromSeconds(5);
    static readonly TimeSpan goodbye = TimeSpan.FromSeconds(2);
    static readonly TimeSpan betweenWarnings = TimeSpan.FromMinutes(1);

    readonly RabbitMqTransport transport;
    readonly BrokerParts parts;
    readonly StatusBook book;
    readonly Lock gate = new();
    readonly CancellationTokenSource stopping = new();
    TaskCompletionSource<string> address = new(TaskCreationOptions.RunContinuationsAsynchronously);
    JobTransportException? refusal; // of the broker, for good; the next attempt may show that it was not
    string? problem;
    Task? running;
    long warned;
    bool saidStrange;

    /// <param name="transport">Has the side connection.</param>
    /// <param name="parts">Options, clock and so on.</param>
    /// <param name="expiry">For how long results are kept after the end of their job.</param>
    public RabbitMqResults(RabbitMqTransport transport, BrokerParts parts, TimeSpan expiry)
    {
        (this.transport, this.parts) = (transport, parts);
        book = new(parts.Time, () => expiry, SayDropped);
    }

    public override ValueTask<string> OpenAsync(CancellationToken cancellationToken)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(stopping.IsCancellationRequested, this);
            using (ExecutionContext.SuppressFlow()) // it outlives this call
            {
                running ??= Task.Run(RunAsync, CancellationToken.None);
            }

            if (refusal is not null)
            {
                return ValueTask.FromException<string>(refusal);
            }

            return address.Task.IsCompletedSuccessfully ? new(address.Task.Result) : new(address.Task.WaitAsync(cancellationToken));
        }
    }

    public override string? Problem => Volatile.Read(ref problem);

    public override void Expect(string id) => book.Expect(id);

    public override void Forget(string id) => book.Forget(id);

    public override ValueTask<JobStatus?> ReadAsync(string id, CancellationToken cancellationToken) => new(book.Read(id));

    public override ValueTask<JobStatus?> WaitAsync(string id, TimeSpan timeout, CancellationToken cancellationToken) =>
        book.WaitAsync(id, timeout, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync().ConfigureAwait(false);
        book.Lose(() => new ObjectDisposedException(nameof(RabbitMqTransport))); // nobody would tell calls that wait any more
        await (running ?? Task.CompletedTask).ConfigureAwait(false);
    }

    async Task RunAsync()
    {
        string? queue = null;
        var failures = 0;
        while (!stopping.IsCancellationRequested)
        {
            Incarnation? incarnation = null;
            try
            {
                var side = transport.Side();
                incarnation = await side.ConnectedAsync(stopping.Token).ConfigureAwait(false);
                queue ??= await DeclareAsync(side.Topology, incarnation).ConfigureAwait(false);
                if (await ConsumeAsync(incarnation, queue, consumes: () => failures = 0).ConfigureAwait(false))
                {
                    queue = null;
                    continue; // the queue is gone
                }
            }
            catch (Exception) when (stopping.IsCancellationRequested)
            {
                break;
            }
            catch (OperationInterruptedException e) when (queue is not null && e.ShutdownReason?.ReplyCode == Constants.NotFound)
            {
                Lost(queue);
                queue = null;
                continue;
            }
            catch (Exception) when (incarnation?.Dead.IsCancellationRequested == true)
            {
                // The connection is lost, which the connection itself says. The queue is consumed anew when there is another.
            }
            catch (Exception e)
            {
                Failed(e);
                Log.ReplyQueueFailed(parts.Logger, failures++ == 0 ? LogLevel.Warning : LogLevel.Debug, Problem!);
            }

            var pause = ReconnectBackOff.After(Math.Max(1, failures), parts.Random);
            await Task.Delay(pause, parts.Time, stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        if (queue is not null)
        {
            await DeleteAsync(queue).ConfigureAwait(false);
        }
    }

    /// <returns>The name of the queue.</returns>
    async Task<string> DeclareAsync(Topology topology, Incarnation incarnation)
    {
        var spec = parts.Layout.Replies();
        using var patience = new CancellationTokenSource(declarePatience, parts.Time);
        using var life = CancellationTokenSource.CreateLinkedTokenSource(incarnation.Dead, stopping.Token, patience.Token);
        try
        {
            await topology.DeclareAsync(incarnation, spec, life.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (patience.IsCancellationRequested)
        {
            throw new JobTransportException(
                $"The broker has not declared queue '{spec.Name}' within {declarePatience.TotalSeconds:0} s.", isTransient: true, e);
        }

        lock (gate)
        {
            (refusal, problem) = (null, null);
            address.TrySetResult(spec.Name);
        }

        return spec.Name;
    }

    // Enqueues that wait for the address hear of a refusal at once. After another failure they wait for the next attempt.
    void Failed(Exception e)
    {
        lock (gate)
        {
            problem = e is OperationCanceledException ? "the broker has not answered in time" : e.Message.TrimEnd('.');
            if (e is JobTransportException { IsTransient: false } final && !address.Task.IsCompletedSuccessfully)
            {
                refusal = final;
                address.TrySetException(final);
                _ = address.Task.Exception; // perhaps nobody waits
                address = new(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }
    }

    /// <returns>Whether the queue is gone; otherwise only its channel is.</returns>
    async Task<bool> ConsumeAsync(Incarnation incarnation, string queue, Action consumes)
    {
        using var life = CancellationTokenSource.CreateLinkedTokenSource(incarnation.Dead, stopping.Token);
        var channel = await incarnation.Connection.CreateChannelAsync(new(false, false, null, 1), life.Token).ConfigureAwait(false);
        try
        {
            var consumer = new Consuming(this, channel);
            await channel.BasicQosAsync(0, Prefetch, global: false, life.Token).ConfigureAwait(false);
            await channel.BasicConsumeAsync(queue, autoAck: false, consumer, life.Token).ConfigureAwait(false);
            consumes();
            var gone = await consumer.Ended.WaitAsync(life.Token).ConfigureAwait(false);
            if (gone)
            {
                Lost(queue);
            }

            return gone;
        }
        finally
        {
            _ = channel.DisposeAsync().AsTask(); // in the background: it may wait for a silent peer
        }
    }

    void Lost(string queue)
    {
        lock (gate)
        {
            address = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        Log.ReplyQueueLost(parts.Logger, queue);
        book.Lose(() => new JobTransportException(
            $"The reply queue '{queue}' of this process is gone, and the result of the job with it. The job may have run, or may run.", isTransient: true));
    }

    async Task DeleteAsync(string queue)
    {
        try
        {
            using var patience = new CancellationTokenSource(goodbye, parts.Time);
            var incarnation = await transport.Side().ConnectedAsync(patience.Token).ConfigureAwait(false);
            using var life = CancellationTokenSource.CreateLinkedTokenSource(incarnation.Dead, patience.Token);
            await incarnation.OnChannelAsync(
                channel => channel.QueueDeleteAsync(queue, ifUnused: false, ifEmpty: false, noWait: false, life.Token), life.Token).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // The queue deletes itself.
        }
    }

    void Tell(ReadOnlyMemory<byte> body)
    {
        try
        {
            book.Tell(ResultMessage.Read(body), onlyExpected: true);
        }
        catch (JobFormatException e)
        {
            if (!saidStrange)
            {
                saidStrange = true;
                Log.StrangeReply(parts.Logger, e.Message.TrimEnd('.'));
            }
        }
    }

    void SayDropped()
    {
        var (now, before) = (parts.Time.GetTimestamp(), Volatile.Read(ref warned));
        if ((before == 0 || parts.Time.GetElapsedTime(before, now) > betweenWarnings) && Interlocked.CompareExchange(ref warned, now, before) == before)
        {
            Log.ResultsDropped(parts.Logger);
        }
    }

    sealed class Consuming : AsyncDefaultBasicConsumer
    {
        readonly RabbitMqResults results;
        readonly TaskCompletionSource<bool> ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Consuming(RabbitMqResults results, IChannel channel)
            : base(channel) => this.results = results;

        /// <summary>Ends when no more arrives: <see langword="true"/> when the queue is gone.</summary>
        public Task<bool> Ended => ended.Task;

        public override async Task HandleBasicDeliverAsync(
            string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey, IReadOnlyBasicProperties properties,
            ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
        {
            results.Tell(body.ToArray()); // the client's buffer is valid only now
            await Channel.BasicAckAsync(deliveryTag, multiple: false, cancellationToken).ConfigureAwait(false);
        }

        public override Task HandleBasicCancelAsync(string consumerTag, CancellationToken cancellationToken = default)
        {
            ended.TrySetResult(true);
            return Task.CompletedTask;
        }

        public override Task HandleChannelShutdownAsync(object channel, ShutdownEventArgs reason)
        {
            ended.TrySetResult(false);
            return Task.CompletedTask;
        }
    }
}
