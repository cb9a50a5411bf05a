using System.Diagnostics;
using System.Diagnostics.Metrics;
using Jobs.Diagnostics;
using Jobs.Settings;
using Jobs.Transport;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Jobs.RabbitMQ;

/// <summary>
/// Keeps jobs in a RabbitMQ cluster. There is one connection to publish, one per subscription to consume, and one at
/// the side for journals and replies: an alarm or a stalled queue on one connection does not stop the others.
/// </summary>
sealed class RabbitMqTransport(
    IOptions<RabbitMqOptions> rabbitOptions, IOptions<JobsOptions> jobsOptions, TimeProvider time, ILogger<RabbitMqTransport> logger, Telemetry telemetry)
    : JobTransport
{
    /// <summary>The name of this transport in metrics and traces.</summary>
    public const string SystemName = "rabbitmq";

    readonly RabbitMqOptions options = rabbitOptions.Value;
    readonly TimeProvider time = GuardedTime.Of(time);
    readonly ILogger logger = GuardedLogger.Of(logger);
    readonly QueueLayout layout = new(rabbitOptions.Value.Prefix, jobsOptions.Value.DeadLetterQueue, rabbitOptions.Value.CeleryQueues)
    {
        Retention = (jobsOptions.Value.HistoryAge, jobsOptions.Value.HistoryBytes),
    };

    readonly Lock gate = new();
    readonly List<RabbitMqSubscription> subscriptions = [];
    Publisher? publisher;
    Publisher? side;
    RabbitMqResults? results;
    RabbitMqBroadcast? broadcast;
    RabbitMqLog? history;
    CeleryPolicies? policies;
    ManagementApi? management;
    bool observed;
    bool disposed;

    public override TransportCapabilities Capabilities => TransportCapabilities.Durable;

    public override string MessagingSystem => SystemName;

    public override IEnumerable<string> Problems() =>
        from queue in options.CeleryQueues
        let problem = queue == layout.DeadLetters.Name ? "it is the queue of dead letters (Jobs:DeadLetterQueue)" : layout.Problem(queue)
        where problem is not null
        select $"Jobs:RabbitMq:CeleryQueues '{queue}': {problem}.";

    public override IEnumerable<string> Contradictions(JobsOptions jobs)
    {
        if (jobs.EnqueueTimeout != Timeout.InfiniteTimeSpan && options.ConfirmTimeout > jobs.EnqueueTimeout)
        {
            yield return $"Jobs:RabbitMq:ConfirmTimeout {options.ConfirmTimeout} is longer than Jobs:EnqueueTimeout {jobs.EnqueueTimeout}: "
                + "a connection without confirms is given up only after the enqueues on it have failed";
        }
    }

    public override string? QueueProblem(string queue) => layout.Problem(queue);

    public override ValueTask PublishAsync(Outgoing outgoing, TimeSpan timeout, CancellationToken cancellationToken) => outgoing.Kind switch
    {
        OutgoingKind.Reply => Side().PublishAsync(outgoing, timeout, cancellationToken),
        OutgoingKind.Record => RecordAsync(outgoing, timeout, cancellationToken),
        _ => Publisher().PublishAsync(outgoing, timeout, cancellationToken),
    };

    // Over the connection of the work that the record belongs to: neither is settled without the other.
    ValueTask RecordAsync(Outgoing record, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var (journal, publishing) = (layout.Journal(record.Queue), Publisher());
        publishing.Topology.Introduce(journal);
        return publishing.PublishAsync(record with { Queue = journal.Name, Kind = OutgoingKind.Work }, timeout, cancellationToken);
    }

    public override async Task<JobSubscription> SubscribeAsync(SubscriptionOptions subscription, CancellationToken cancellationToken)
    {
        var started = new RabbitMqSubscription(subscription, Parts(), (outgoing, timeout) => PublishAsync(outgoing, timeout, CancellationToken.None), Ended);
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            Observe();
            subscriptions.Add(started);
        }

        ((RabbitMqLog)History).Begin(); // what this worker's events say is kept from now on
        await started.StartAsync(cancellationToken).ConfigureAwait(false);
        return started;
    }

    public override async Task<long> CountAsync(string queue, CancellationToken cancellationToken) =>
        (await LookAsync(queue, cancellationToken).ConfigureAwait(false))?.Messages ?? 0;

    public override async Task<bool> HasQueueAsync(string queue, CancellationToken cancellationToken) =>
        await LookAsync(queue, cancellationToken).ConfigureAwait(false) is not null;

    /// <summary>
    /// How many messages wait in a queue, and how many consumers it has; <see langword="null"/> when there is no such
    /// queue.
    /// </summary>
    public async Task<(long Messages, int Consumers)?> LookAsync(string queue, CancellationToken cancellationToken)
    {
        var incarnation = await ConnectedAsync(cancellationToken).ConfigureAwait(false);
        using var life = CancellationTokenSource.CreateLinkedTokenSource(incarnation.Dead, cancellationToken);
        try
        {
            var found = await incarnation.LookAsync(queue, life.Token).ConfigureAwait(false);
            return (found.MessageCount, (int)found.ConsumerCount);
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.NotFound)
        {
            return null;
        }
    }

    /// <summary>The version of the broker, as the connection says it.</summary>
    public async Task<string?> VersionAsync(CancellationToken cancellationToken) =>
        (await ConnectedAsync(cancellationToken).ConfigureAwait(false)).Connection.ServerProperties is { } properties
        && properties.TryGetValue("version", out var value) && value is byte[] version
            ? System.Text.Encoding.UTF8.GetString(version)
            : null;

    // Over the side connection where the process has no other: a worker that stands by for the keeper needs no third one.
    Task<Incarnation> ConnectedAsync(CancellationToken cancellationToken) => (publisher ?? side ?? Publisher()).ConnectedAsync(cancellationToken);

    public override TransportInspection Inspection
    {
        get
        {
            var address = BrokerAddress.Parse(options);
            return new RabbitMqInspection(this, layout, Management(address), address.VirtualHost);
        }
    }

    public override ResultStore Results
    {
        get
        {
            lock (gate)
            {
                return results ??= new(this, Parts(), jobsOptions.Value.ResultExpires);
            }
        }
    }

    public override JobBroadcast Broadcast
    {
        get
        {
            lock (gate)
            {
                return broadcast ??= new(this, Parts());
            }
        }
    }

    public override JobLog History
    {
        get
        {
            lock (gate)
            {
                return history ??= new(this, Parts());
            }
        }
    }

    public override JobJournal OpenJournal(string name) =>
        new RabbitMqJournal(layout.Journal(name), this, Parts());

    /// <summary>
    /// Opens the publish connection if it is not open yet: a process that has enqueued nothing must be found ready too.
    /// </summary>
    public override async ValueTask<TransportHealth> CheckHealthAsync(CancellationToken cancellationToken)
    {
        var publishing = Publisher();
        try
        {
            await publishing.FirstAttempt.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The connection is still being opened. The health below says so.
        }

        return publishing.CheckHealth();
    }

    /// <summary>A subscription is over.</summary>
    void Ended(RabbitMqSubscription subscription)
    {
        lock (gate)
        {
            subscriptions.Remove(subscription);
        }
    }

    BrokerParts Parts()
    {
        var address = BrokerAddress.Parse(options);
        return new(options, address, layout, time, logger, telemetry) { Policies = Policies(address) };
    }

    CeleryPolicies? Policies(BrokerAddress address)
    {
        lock (gate)
        {
            return policies ??= options.CeleryQueues.Count > 0 && Management(address) is { } api ? new(api, layout, address.VirtualHost, time, logger) : null;
        }
    }

    ManagementApi? Management(BrokerAddress address)
    {
        lock (gate)
        {
            return management ??= options.ManagementUri is { } uri ? new(ManagementAddress.Parse(uri), address, time) : null;
        }
    }

    // The publisher connects when the first job is enqueued. So a web application starts even when the broker is away.
    Publisher Publisher()
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(disposed && publisher is null, this);
            Observe();
            return publisher ??= new("publish", Parts());
        }
    }

    /// <summary>
    /// The publisher for messages that are no jobs: journals and replies. It connects when it is first used.
    /// </summary>
    public Publisher Side()
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(disposed && side is null, this);
            Observe();
            return side ??= new("side", Parts(), withReplies: true);
        }
    }

    // The gauges are made late, when there is something to see: a process may have this transport and never use it.
    void Observe()
    {
        if (!observed)
        {
            observed = true;
            telemetry.Observe(
                Connections,
                () => Subscriptions().SelectMany(s => s.CheckHealth().Queues).GroupBy(q => q.Queue)
                    .Select(q => Measure(q.Count(c => c.IsConsuming), (TelemetryNames.Tag.Queue, q.Key))),
                () => Read(publisher, p => Measure(p.CheckHealth().Blocked is null ? 0 : 1)),
                () => Read(publisher, p => Measure(p.CheckHealth().Pending)));
        }

        IEnumerable<Measurement<int>> Connections()
        {
            var subscribed = Subscriptions();
            return
            [
                .. Read(publisher, p => Up("publish", p.CheckHealth().Connection.IsUp)),
                .. Read(side, p => Up("side", p.CheckHealth().Connection.IsUp)),
                .. subscribed.Take(1).Select(_ => Up("consume", subscribed.All(s => s.CheckHealth().Connection.IsUp))),
            ];
        }

        static Measurement<int> Up(string connection, bool up) => Measure(up ? 1 : 0, (TelemetryNames.Tag.Connection, connection));

        static Measurement<int> Measure(int value, (string Name, string Value)? tag = null)
        {
            var tags = new TagList { { TelemetryNames.Tag.System, SystemName } };
            if (tag is var (name, text))
            {
                tags.Add(name, text);
            }

            return new(value, tags);
        }
    }

    IEnumerable<Measurement<int>> Read(Publisher? of, Func<Publisher, Measurement<int>> read)
    {
        lock (gate)
        {
            return !disposed && of is { } there ? [read(there)] : [];
        }
    }

    RabbitMqSubscription[] Subscriptions()
    {
        lock (gate)
        {
            return [.. subscriptions];
        }
    }

    public override async ValueTask DisposeAsync()
    {
        lock (gate)
        {
            disposed = true;
        }

        // Subscriptions end before the publishers: they still settle their deliveries, and settling may publish.
        foreach (var subscription in Subscriptions())
        {
            await subscription.DisposeAsync().ConfigureAwait(false);
        }

        if (results is not null)
        {
            await results.DisposeAsync().ConfigureAwait(false);
        }

        if (broadcast is not null)
        {
            await broadcast.DisposeAsync().ConfigureAwait(false);
        }

        if (history is not null)
        {
            await history.DisposeAsync().ConfigureAwait(false);
        }

        foreach (var used in new[] { publisher, side }.OfType<Publisher>())
        {
            await used.DisposeAsync().ConfigureAwait(false);
        }

        management?.Dispose();
    }
}
