using System.Diagnostics.CodeAnalysis;

namespace Jobs.Transport;

/// <summary>Where jobs wait. Implementations: in memory, RabbitMQ.</summary>
/// <remarks>The contract is the suite in <c>tests/Jobs.Contracts</c>, which runs against every implementation.</remarks>
[Experimental("JOBS0001")]
public abstract class JobTransport : IAsyncDisposable, IDisposable
{
    /// <summary>What this transport can do. What it cannot is tested too.</summary>
    public abstract TransportCapabilities Capabilities { get; }

    /// <summary>What metrics and traces call it: <c>messaging.system</c> of OpenTelemetry. Defaults to <c>jobs</c>.</summary>
    public virtual string MessagingSystem => "jobs";

    /// <summary>What is wrong with its options; asked once at start. Defaults to nothing.</summary>
    public virtual IEnumerable<string> Problems() => [];

    /// <summary>Which of its options do not go together with others, though each is valid; logged at start. Defaults to nothing.</summary>
    public virtual IEnumerable<string> Contradictions(JobsOptions jobs) => [];

    /// <summary>
    /// Why no job may be sent to a queue of that name, or taken from it: the end of a sentence about the queue. Defaults to
    /// <see langword="null"/>, which takes every name.
    /// </summary>
    public virtual string? QueueProblem(string queue) => null;

    /// <summary>Puts a message into its queue; the message is durable there when this returns.</summary>
    /// <param name="outgoing">The message, its queue and its delay. A queue that is not known yet is declared, but for a reply.</param>
    /// <param name="timeout">After this the call fails, and says whether the message may have arrived. <see cref="Timeout.InfiniteTimeSpan"/> for never.</param>
    /// <param name="cancellationToken">Gives the call up; the message may have arrived.</param>
    /// <exception cref="JobPublishException">The message is not, or may not be, in the queue.</exception>
    public abstract ValueTask PublishAsync(Outgoing outgoing, TimeSpan timeout, CancellationToken cancellationToken);

    /// <summary>Puts many messages into their queues, and returns when the fate of each is known. One that fails does not keep the others back.</summary>
    /// <inheritdoc cref="PublishAsync(Outgoing, TimeSpan, CancellationToken)" path="/param"/>
    /// <returns>What went wrong, by position; empty when all are durable.</returns>
    public virtual async ValueTask<IReadOnlyDictionary<int, Exception>> PublishAsync(IReadOnlyList<Outgoing> outgoing, TimeSpan timeout, CancellationToken cancellationToken)
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

    /// <summary>Starts taking messages from queues, which are declared when they are not known yet.</summary>
    /// <exception cref="JobTransportException">The transport refuses for good, for example because of a wrong password. One that is away is waited for in the background.</exception>
    public abstract Task<JobSubscription> SubscribeAsync(SubscriptionOptions options, CancellationToken cancellationToken);

    /// <summary>
    /// How many messages a queue holds that have not been handed out; delayed ones are not counted. 0 for a queue that
    /// does not exist; asking makes none.
    /// </summary>
    public abstract Task<long> CountAsync(string queue, CancellationToken cancellationToken);

    /// <summary>The journal of that name, which is made when it is not there yet. Every call gives another reader and writer of the same journal.</summary>
    public abstract JobJournal OpenJournal(string name);

    /// <summary>Whether jobs can be published now. Defaults to <see cref="TransportHealth.Healthy"/>.</summary>
    /// <param name="cancellationToken">
    /// A transport that connects when it is first used connects now; when this fires it says how far it got, and does not throw.
    /// </param>
    public virtual ValueTask<TransportHealth> CheckHealthAsync(CancellationToken cancellationToken) => new(TransportHealth.Healthy);

    /// <summary>Ends it, and the subscriptions that nobody has ended.</summary>
    public abstract ValueTask DisposeAsync();

    /// <summary>Disposes for a container that is disposed synchronously: waits at most 10 seconds; what is left then goes on in the background.</summary>
    public void Dispose() => this.DisposeWithin(SynchronousDisposal.Limit);
}

/// <summary>What a transport can do.</summary>
[Flags]
[Experimental("JOBS0001")]
public enum TransportCapabilities
{
    /// <summary>Nothing beyond the contract.</summary>
    None = 0,

    /// <summary>Jobs survive the process.</summary>
    Durable = 1,

    /// <summary>More urgent jobs overtake less urgent ones of the same queue.</summary>
    Priorities = 2,
}

/// <summary>What a worker takes from a transport.</summary>
[Experimental("JOBS0001")]
public sealed record SubscriptionOptions
{
    /// <summary>The queues.</summary>
    public required IReadOnlyList<string> Queues { get; init; }

    /// <summary>How many unsettled messages there may be per queue.</summary>
    public required int Prefetch { get; init; }

    /// <summary>By queue, where it is fewer than <see cref="Prefetch"/>. Defaults to none.</summary>
    public IReadOnlyDictionary<string, int> QueuePrefetch { get; init; } = new Dictionary<string, int>();

    internal int PrefetchOf(string queue) => QueuePrefetch.GetValueOrDefault(queue, Prefetch);

    /// <summary>No message is taken before this ends; what is wrong with the queues is found at once. Defaults to <see cref="Task.CompletedTask"/>.</summary>
    public Task Begin { get; init; } = Task.CompletedTask;

    /// <summary>After how many deliveries that came to no end a suspect is dead; see <see cref="WorkerOptions.MaxDeliveries"/>. Defaults to 20.</summary>
    public int MaxDeliveries { get; init; } = 20;
}

/// <summary>A stream of deliveries.</summary>
[Experimental("JOBS0001")]
public abstract class JobSubscription : IAsyncDisposable
{
    /// <summary>The next delivery, or <see langword="null"/> when the subscription has been stopped. Any number of callers may wait.</summary>
    public abstract ValueTask<Delivery?> NextAsync();

    /// <summary>Whether deliveries come. Defaults to <see cref="SubscriptionHealth.Healthy"/>.</summary>
    public virtual SubscriptionHealth CheckHealth() => SubscriptionHealth.Healthy;

    /// <summary>Takes nothing more and gives back what has not been handed out. Deliveries that have been can still be settled.</summary>
    public abstract Task StopAsync(CancellationToken cancellationToken);

    /// <summary>Ends it: settlements are flushed; what is not settled goes back to its queue.</summary>
    public abstract ValueTask DisposeAsync();
}
