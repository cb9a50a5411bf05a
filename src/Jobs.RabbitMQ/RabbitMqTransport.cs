using Jobs.Transport;
using Jobs.Wire;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs.RabbitMQ;

/// <summary>Jobs in a RabbitMQ cluster. One connection to publish, one per subscription to consume: an alarm or a stalled queue on one does not stop the other.</summary>
sealed class RabbitMqTransport(IOptions<RabbitMqOptions> rabbitOptions, IOptions<JobsOptions> jobsOptions, TimeProvider time, ILogger<RabbitMqTransport> logger) : JobTransport
{
    readonly RabbitMqOptions options = rabbitOptions.Value;
    readonly BrokerNames names = new(rabbitOptions.Value.Prefix, jobsOptions.Value.DeadLetterQueue);
    readonly Lock gate = new();
    Publisher? publisher;

    public override TransportCapabilities Capabilities => TransportCapabilities.Durable;

    /// <summary>How long a retry or dead-letter copy waits for its confirm before the original is given back.</summary>
    public TimeSpan SettleTimeout => TimeSpan.FromMinutes(1);

    public override IEnumerable<string> Problems()
    {
        string? problem = null;
        try
        {
            BrokerAddress.Parse(options);
        }
        catch (FormatException e)
        {
            problem = $"Jobs:RabbitMq:Uri: {e.Message}.";
        }

        if (problem is not null)
        {
            yield return problem;
        }

        const int MaxPrefix = 40;
        if (!QueueName.IsValid(options.Prefix) || options.Prefix.Length > MaxPrefix)
        {
            yield return $"Jobs:RabbitMq:Prefix '{options.Prefix}': {QueueName.Rule}, and a prefix has at most {MaxPrefix}.";
        }

        if (options.PublishWindow is < 1 or > 10_000)
        {
            yield return $"Jobs:RabbitMq:PublishWindow {options.PublishWindow}: must be 1 to 10,000.";
        }

        if (options.Heartbeat < TimeSpan.FromSeconds(1) || options.Heartbeat > TimeSpan.FromMinutes(5))
        {
            yield return $"Jobs:RabbitMq:Heartbeat {options.Heartbeat}: must be 1 second to 5 minutes; without one a silent peer is never noticed.";
        }

        if (options.ConnectTimeout <= TimeSpan.Zero || options.WatchdogInterval <= TimeSpan.Zero)
        {
            yield return $"Jobs:RabbitMq:ConnectTimeout {options.ConnectTimeout} and WatchdogInterval {options.WatchdogInterval}: must be positive.";
        }
    }

    public override ValueTask PublishAsync(string queue, JobMessage message, TimeSpan delay, TimeSpan timeout, CancellationToken cancellationToken) =>
        Publisher().PublishAsync(queue, message, delay, timeout, cancellationToken);

    public override async Task<JobSubscription> SubscribeAsync(SubscriptionOptions subscription, CancellationToken cancellationToken)
    {
        var started = new RabbitSubscription(subscription, options, BrokerAddress.Parse(options), new(names, options.Declare), this, time, logger);
        await started.StartAsync(cancellationToken).ConfigureAwait(false);
        return started;
    }

    public override async Task<long> CountAsync(string queue, CancellationToken cancellationToken)
    {
        var incarnation = await Publisher().ConnectedAsync(cancellationToken).ConfigureAwait(false);
        using var life = CancellationTokenSource.CreateLinkedTokenSource(incarnation.Dead, cancellationToken);
        return await incarnation.OnChannelAsync(channel => channel.MessageCountAsync(queue, life.Token), life.Token).ConfigureAwait(false);
    }

    public override JobJournal OpenJournal(string name) =>
        new RabbitJournal(names.Journal(name), this, options, BrokerAddress.Parse(options), new(names, options.Declare), time, logger);

    // Connects when the first job is enqueued, so that a broker that is away does not keep a web application from starting.
    Publisher Publisher()
    {
        lock (gate)
        {
            return publisher ??= new(options, BrokerAddress.Parse(options), new(names, options.Declare), time, logger);
        }
    }

    public override async ValueTask DisposeAsync()
    {
        if (publisher is not null)
        {
            await publisher.DisposeAsync().ConfigureAwait(false);
        }
    }
}
