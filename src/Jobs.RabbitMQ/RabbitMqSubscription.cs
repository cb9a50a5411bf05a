using Jobs.Transport;

namespace Jobs.RabbitMQ;

/// <summary>
/// A worker's subscription at the broker: a connection of its own, on it a consumer for each queue and each quarantine,
/// and one inbox for all of them.
/// </summary>
sealed class RabbitMqSubscription : JobSubscription
{
    // How long the start of a host waits to learn whether the broker refuses. The broker shows whether a new queue has
    // a policy after up to 10 s.
    static readonly TimeSpan patience = TimeSpan.FromSeconds(5);
    static readonly TimeSpan patienceForPolicies = TimeSpan.FromSeconds(20);

    readonly BrokerParts parts;
    readonly bool hasPolicies;
    readonly bool browses;
    readonly Topology topology;
    readonly Action<RabbitMqSubscription> ended;
    readonly BrokerConnection connection;
    readonly Inbox inbox = new();
    readonly List<QueueConsumer> consumers = [];
    volatile bool stopping;

    /// <param name="subscription">The queues.</param>
    /// <param name="parts">The parts that every class that talks to the broker needs.</param>
    /// <param name="publish">Writes the retries, results and dead letters of the deliveries.</param>
    /// <param name="ended">Is called when the subscription is over.</param>
    public RabbitMqSubscription(SubscriptionOptions subscription, BrokerParts parts, Publish publish, Action<RabbitMqSubscription> ended)
    {
        (this.parts, this.ended) = (parts, ended);
        browses = subscription.Browse;
        hasPolicies = subscription.Queues.Any(queue => parts.Layout.Work(queue).Kind == QueueKind.Shared);
        topology = new(parts);
        connection = new("consume", parts, SessionAsync);
        foreach (var queue in subscription.Queues)
        {
            // A queue that is not ours gets no quarantine, and neither does a look through a queue.
            var quarantine = parts.Options.Declare == DeclareMode.Declare && !subscription.Browse
                ? new Quarantine(queue, parts.Layout.Quarantine(queue).Name, subscription.MaxDeliveries, publish, parts)
                : null;
            consumers.Add(new(new(queue, queue, subscription.PrefetchOf(queue), quarantine), topology, inbox, publish, parts, subscription.Begin));
            if (quarantine is not null)
            {
                consumers.Add(new(new(quarantine.Name, queue, Prefetch: 1, quarantine), topology, inbox, publish, parts, subscription.Begin));
            }
        }
    }

    /// <exception cref="JobTransportException">The broker answers and refuses the connection or a queue.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        connection.Start();
        try
        {
            var limit = hasPolicies ? patienceForPolicies : patience;
            var outcome = await connection.FirstAttempt.WaitAsync(limit, parts.Time, cancellationToken).ConfigureAwait(false);
            if (outcome is JobTransportException { IsTransient: false } refusal)
            {
                throw refusal;
            }
        }
        catch (TimeoutException)
        {
            // The broker accepts the connection and stays silent, for example. A refusal that comes later is logged,
            // and we try again.
        }
        catch
        {
            await DisposeAsync().ConfigureAwait(false); // otherwise the subscription would hold jobs that nobody runs
            throw;
        }
    }

    public override ValueTask<Delivery?> NextAsync() => inbox.NextAsync();

    public override SubscriptionHealth CheckHealth() => new()
    {
        Connection = connection.Health(forWork: false),
        Ready = inbox.Count,
        Queues = [.. consumers.Select(consumer => consumer.State.Health())],
    };

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        stopping = true;
        inbox.Close();
        await Task.WhenAll(consumers.Select(consumer => consumer.StopAsync(cancellationToken))).ConfigureAwait(false);

        // At once, and not when the channel closes: running jobs may take a while, and other workers are free. But
        // messages that are only looked at must keep their order, and only the end of the channel returns them in order
        // (rabbitmq.md §11, Q2).
        await (browses ? Task.CompletedTask : inbox.GiveBackAsync()).ConfigureAwait(false);
    }

    async Task SessionAsync(Incarnation incarnation, CancellationToken stop)
    {
        using var life = CancellationTokenSource.CreateLinkedTokenSource(incarnation.Dead, stop);
        topology.Forget();
        var isFirst = !connection.FirstAttempt.IsCompleted;
        var awaited = consumers.Count;
        await Task.WhenAll(consumers.Select(consumer => consumer.RunAsync(incarnation, isFirst, HasOutcome, life.Token))).ConfigureAwait(false);
        if (stopping)
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, parts.Time, stop).ConfigureAwait(false); // DisposeAsync closes the connection last
        }

        // The session is ready when every queue has an outcome.
        void HasOutcome()
        {
            if (Interlocked.Decrement(ref awaited) == 0)
            {
                connection.SessionReady();
            }
        }
    }

    public override async ValueTask DisposeAsync()
    {
        await StopAsync(CancellationToken.None).ConfigureAwait(false);
        await Task.WhenAll(consumers.Select(consumer => consumer.DisposeAsync().AsTask())).ConfigureAwait(false);
        await connection.DisposeAsync().ConfigureAwait(false);
        ended(this);
    }
}
