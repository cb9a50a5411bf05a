using System.Diagnostics.CodeAnalysis;

namespace Jobs.Transport;

/// <summary>Where jobs wait. Implementations: in memory, SQLite, RabbitMQ.</summary>
/// <remarks>
/// The contract is the suite in <c>tests/Jobs.Contracts</c>, which runs against every implementation.
/// </remarks>
[Experimental("JOBS0001")]
public abstract class JobTransport : IAsyncDisposable, IDisposable
{
    /// <summary>What this transport can do. The contract's tests also check that it cannot do the rest.</summary>
    public abstract TransportCapabilities Capabilities { get; }

    /// <summary>
    /// The name of the transport in metrics and traces: <c>messaging.system</c> of OpenTelemetry. Defaults to
    /// <c>jobs</c>.
    /// </summary>
    public virtual string MessagingSystem => "jobs";

    /// <summary>
    /// The problems of the transport's options. The host asks once at start, and does not start when there are any.
    /// Defaults to none.
    /// </summary>
    public virtual IEnumerable<string> Problems() => [];

    /// <summary>
    /// Options that are valid, but do not go together with other options. The host logs them at start. Defaults to
    /// none.
    /// </summary>
    public virtual IEnumerable<string> Contradictions(JobsOptions jobs) => [];

    /// <summary>
    /// Why the transport cannot have a queue of that name, worded as the end of a sentence about the queue;
    /// <see langword="null"/> when it can. Defaults to <see langword="null"/> for every name.
    /// </summary>
    public virtual string? QueueProblem(string queue) => null;

    /// <summary>Puts a message into its queue. The message is durable there when the call returns.</summary>
    /// <param name="outgoing">
    /// The message, its queue and its delay. The transport declares a queue that it does not know yet, unless the
    /// message is a reply.
    /// </param>
    /// <param name="timeout">
    /// After this time the call fails; the exception says whether the message may have arrived.
    /// <see cref="Timeout.InfiniteTimeSpan"/> for never.
    /// </param>
    /// <param name="cancellationToken">Ends the call early; the message may have arrived.</param>
    /// <exception cref="JobPublishException">The message is not in the queue, or perhaps not.</exception>
    public abstract ValueTask PublishAsync(Outgoing outgoing, TimeSpan timeout, CancellationToken cancellationToken);

    /// <summary>
    /// Puts many messages into their queues. Returns when each message is durable or has failed. A message that fails
    /// does not hold up the others.
    /// </summary>
    /// <inheritdoc cref="PublishAsync(Outgoing, TimeSpan, CancellationToken)" path="/param"/>
    /// <returns>What went wrong, by position; empty when all are durable.</returns>
    public virtual async ValueTask<IReadOnlyDictionary<int, Exception>> PublishAsync(
        IReadOnlyList<Outgoing> outgoing, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var publishes = new ValueTask[outgoing.Count];
        for (var i = 0; i < publishes.Length; i++)
        {
            publishes[i] = StartAsync(outgoing[i]); // all are on their way before the first is awaited
        }

        Dictionary<int, Exception>? failures = null;
        for (var i = 0; i < publishes.Length; i++)
        {
            try
            {
                await publishes[i].ConfigureAwait(false);
            }
            catch (Exception e)
            {
                (failures ??= [])[i] = e;
            }
        }

        return failures ?? (IReadOnlyDictionary<int, Exception>)System.Collections.Immutable.ImmutableDictionary<int, Exception>.Empty;

        ValueTask StartAsync(Outgoing one)
        {
            try
            {
                return PublishAsync(one, timeout, cancellationToken);
            }
            catch (Exception e)
            {
                return ValueTask.FromException(e);
            }
        }
    }

    /// <summary>
    /// Starts to take messages from queues. The transport declares queues that it does not know yet. When the broker is
    /// away, the subscription waits for it in the background.
    /// </summary>
    /// <exception cref="JobTransportException">
    /// The broker refuses for good, for example because of a wrong password.
    /// </exception>
    public abstract Task<JobSubscription> SubscribeAsync(SubscriptionOptions options, CancellationToken cancellationToken);

    /// <summary>
    /// How many messages of a queue wait to be delivered, without delayed messages. 0 for a queue that does not exist;
    /// the call does not declare the queue.
    /// </summary>
    public abstract Task<long> CountAsync(string queue, CancellationToken cancellationToken);

    /// <summary>
    /// Whether there is such a queue; the call does not declare it. Defaults to <see langword="true"/>, for a transport
    /// in which a queue comes into being with its first message.
    /// </summary>
    public virtual Task<bool> HasQueueAsync(string queue, CancellationToken cancellationToken) => Task.FromResult(true);

    /// <summary>
    /// Opens the journal of that name, and makes it when it does not exist. Each call returns another reader and writer
    /// of the same journal.
    /// </summary>
    public abstract JobJournal OpenJournal(string name);

    /// <summary>
    /// Where this process hears what became of its jobs. Defaults to an error, for a transport without results.
    /// </summary>
    /// <exception cref="NotSupportedException">The transport has no results.</exception>
    public virtual ResultStore Results => throw new NotSupportedException($"{GetType().Name} has no results.");

    /// <summary>
    /// How processes tell each other of what happens. Defaults to <see langword="null"/>, for a transport without
    /// broadcasts: then there are no events.
    /// </summary>
    public virtual JobBroadcast? Broadcast => null;

    /// <summary>
    /// The log of what happened to jobs and workers. Defaults to an error, for a transport without history.
    /// </summary>
    /// <exception cref="NotSupportedException">The transport has no history.</exception>
    public virtual JobLog History => throw new NotSupportedException($"{GetType().Name} has no history.");

    /// <summary>
    /// Looks at queues and at the transport itself. Defaults to an error, for a transport that cannot be looked at.
    /// </summary>
    /// <exception cref="NotSupportedException">The transport cannot be looked at.</exception>
    public virtual TransportInspection Inspection => throw new NotSupportedException($"{GetType().Name} cannot be looked at.");

    /// <summary>Whether jobs can be published now. Defaults to <see cref="TransportHealth.Healthy"/>.</summary>
    /// <param name="cancellationToken">
    /// A transport that connects when it is first used connects now. When the token fires first, the transport returns
    /// how far the connection got, and does not throw.
    /// </param>
    public virtual ValueTask<TransportHealth> CheckHealthAsync(CancellationToken cancellationToken) => new(TransportHealth.Healthy);

    /// <summary>Closes the transport, and its subscriptions that are still open.</summary>
    public abstract ValueTask DisposeAsync();

    /// <summary>
    /// Closes the transport for a container that is disposed synchronously. Waits at most 10 seconds; after that,
    /// closing goes on in the background.
    /// </summary>
    public void Dispose() => this.DisposeWithin(SynchronousDisposal.Limit);
}

/// <summary>What a transport can do.</summary>
[Flags]
[Experimental("JOBS0001")]
public enum TransportCapabilities
{
    /// <summary>Nothing beyond the contract.</summary>
    None = 0,

    /// <summary>Jobs survive the end of the process.</summary>
    Durable = 1,

    /// <summary>More urgent jobs overtake less urgent ones of the same queue.</summary>
    Priorities = 2,

    /// <summary>
    /// Every process can read the result of a job by the id of the job, and a worker tells when it starts a job whose
    /// result is asked for.
    /// </summary>
    ResultsById = 4,

    /// <summary>
    /// A message of an id that is still pending can be dropped: see <see cref="Outgoing.UnlessPending"/>.
    /// </summary>
    UnlessPending = 8,
}

/// <summary>Which messages a worker takes from a transport, and how many at once.</summary>
[Experimental("JOBS0001")]
public sealed record SubscriptionOptions
{
    /// <summary>The queues.</summary>
    public required IReadOnlyList<string> Queues { get; init; }

    /// <summary>How many unsettled messages the worker may hold per queue.</summary>
    public required int Prefetch { get; init; }

    /// <summary>The prefetch of queues that have their own, by queue name. Defaults to none.</summary>
    public IReadOnlyDictionary<string, int> QueuePrefetch { get; init; } = new Dictionary<string, int>();

    /// <summary>
    /// For a look through a queue: messages that are not settled return to their places, in order, when the
    /// subscription is closed. Nothing goes to quarantine or to the dead letters because it was delivered often. Nobody
    /// should call <see cref="Delivery.ReleaseAsync"/>. Defaults to <see langword="false"/>.
    /// </summary>
    public bool Browse { get; init; }

    internal int PrefetchOf(string queue) => QueuePrefetch.GetValueOrDefault(queue, Prefetch);

    /// <summary>
    /// The subscription takes no message before this task completes, but checks the queues at once. Defaults to
    /// <see cref="Task.CompletedTask"/>.
    /// </summary>
    public Task Begin { get; init; } = Task.CompletedTask;

    /// <summary>
    /// After how many deliveries without a settlement a suspect goes to the dead-letter queue; see
    /// <see cref="WorkerOptions.MaxDeliveries"/>. Defaults to 20.
    /// </summary>
    public int MaxDeliveries { get; init; } = 20;
}

/// <summary>A stream of deliveries.</summary>
[Experimental("JOBS0001")]
public abstract class JobSubscription : IAsyncDisposable
{
    /// <summary>
    /// Waits for the next delivery; <see langword="null"/> when the subscription has been stopped. Any number of
    /// callers may wait.
    /// </summary>
    public abstract ValueTask<Delivery?> NextAsync();

    /// <summary>Whether messages arrive. Defaults to <see cref="SubscriptionHealth.Healthy"/>.</summary>
    public virtual SubscriptionHealth CheckHealth() => SubscriptionHealth.Healthy;

    /// <summary>
    /// Takes no more messages, and gives back those that <see cref="NextAsync"/> has not returned. Deliveries that it
    /// has returned can still be settled.
    /// </summary>
    public abstract Task StopAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Closes the subscription: flushes settlements, and returns messages that are not settled to their queues.
    /// </summary>
    public abstract ValueTask DisposeAsync();
}
