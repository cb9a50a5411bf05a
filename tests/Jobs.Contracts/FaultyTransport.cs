using System.Collections.Concurrent;
using Jobs.Transport;
using Jobs.Wire;

namespace Jobs.Contracts;

/// <summary>Where a test can make the transport fail.</summary>
public enum FaultStep
{
    /// <summary>Instead of a publish: the message did not arrive.</summary>
    Publish,

    /// <summary>After a publish: the message arrived, and the publisher does not know.</summary>
    Published,

    /// <summary>Instead of an ack.</summary>
    Ack,

    /// <summary>Instead of a release.</summary>
    Release,
}

/// <summary>A message that went into a queue.</summary>
public sealed record PublishRecord(long Number, string Queue, JobMessage Message, TimeSpan Delay, TimeSpan Timeout);

/// <summary>A delivery that was settled, and how.</summary>
public sealed record SettleRecord(string Queue, JobMessage Message, FaultStep Verb);

/// <summary>A transport that fails where a test says so, and remembers the messages that pass through it.</summary>
public sealed class FaultyTransport(JobTransport inner) : JobTransport
{
    long publishes;

    /// <summary>
    /// Gives the exception to throw at a step, for a queue and a message; <see langword="null"/> lets the message pass.
    /// </summary>
    public Func<FaultStep, string, JobMessage, Exception?> Fault { get; set; } = (_, _, _) => null;

    /// <summary>The transport that does the work.</summary>
    public JobTransport Inner => inner;

    /// <summary>The messages that arrived, also those whose publisher was told otherwise.</summary>
    public ConcurrentQueue<PublishRecord> Published { get; } = new();

    /// <summary>The deliveries that were settled. A settlement that failed is not among them.</summary>
    public ConcurrentQueue<SettleRecord> Settled { get; } = new();

    /// <summary>The number of subscriptions that were stopped.</summary>
    public int Stopped { get; private set; }

    /// <inheritdoc/>
    public override TransportCapabilities Capabilities => inner.Capabilities;

    /// <inheritdoc/>
    public override string MessagingSystem => inner.MessagingSystem;

    /// <inheritdoc/>
    public override ResultStore Results => inner.Results;

    /// <inheritdoc/>
    public override JobBroadcast? Broadcast => inner.Broadcast;

    /// <inheritdoc/>
    public override JobLog History => inner.History;

    /// <inheritdoc/>
    public override TransportInspection Inspection => inner.Inspection;

    /// <summary>The health that the transport reports; <see langword="null"/> for its real health.</summary>
    public TransportHealth? Health { get; set; }

    /// <summary>
    /// Gives the exception that the next call for a delivery throws; <see langword="null"/> for none.
    /// </summary>
    public Func<Exception?> NextFault { get; set; } = () => null;

    /// <summary>
    /// Gives the exception that a new record of a journal ends in, instead of being added; <see langword="null"/> for
    /// none.
    /// </summary>
    public Func<Exception?> JournalFault { get; set; } = () => null;

    /// <summary>Whether every delivery says that it comes from quarantine.</summary>
    public bool Quarantines { get; set; }

    /// <summary>The health that subscriptions report; <see langword="null"/> for their real health.</summary>
    public SubscriptionHealth? Subscription { get; set; }

    /// <inheritdoc/>
    public override ValueTask<TransportHealth> CheckHealthAsync(CancellationToken cancellationToken) => Health is { } said ? new(said) : inner.CheckHealthAsync(cancellationToken);

    /// <inheritdoc/>
    public override IEnumerable<string> Problems() => inner.Problems();

    /// <inheritdoc/>
    public override string? QueueProblem(string queue) => inner.QueueProblem(queue);

    /// <inheritdoc/>
    public override async ValueTask PublishAsync(Outgoing outgoing, TimeSpan timeout, CancellationToken cancellationToken)
    {
        Throw(FaultStep.Publish, outgoing.Queue, outgoing.Message);
        var number = Interlocked.Increment(ref publishes); // before the publish: the job may run, and publish, before this call returns
        await inner.PublishAsync(outgoing, timeout, cancellationToken);
        Published.Enqueue(new(number, outgoing.Queue, outgoing.Message, outgoing.Delay, timeout));
        Throw(FaultStep.Published, outgoing.Queue, outgoing.Message);
    }

    /// <inheritdoc/>
    public override async Task<JobSubscription> SubscribeAsync(SubscriptionOptions options, CancellationToken cancellationToken) =>
        new FaultySubscription(this, await inner.SubscribeAsync(options, cancellationToken));

    /// <inheritdoc/>
    public override Task<long> CountAsync(string queue, CancellationToken cancellationToken) => inner.CountAsync(queue, cancellationToken);

    /// <inheritdoc/>
    public override Task<bool> HasQueueAsync(string queue, CancellationToken cancellationToken) => inner.HasQueueAsync(queue, cancellationToken);

    /// <inheritdoc/>
    public override JobJournal OpenJournal(string name) => new FaultyJournal(this, inner.OpenJournal(name));

    /// <inheritdoc/>
    public override ValueTask DisposeAsync() => inner.DisposeAsync();

    void Throw(FaultStep step, string queue, JobMessage message)
    {
        if (Fault(step, queue, message) is { } fault)
        {
            throw fault;
        }
    }

    sealed class FaultyJournal(FaultyTransport transport, JobJournal inner) : JobJournal
    {
        public override ValueTask AppendAsync(ReadOnlyMemory<byte> record, TimeSpan timeout, CancellationToken cancellationToken) =>
            transport.JournalFault() is { } fault ? throw fault : inner.AppendAsync(record, timeout, cancellationToken);

        public override Task<JournalReader> LeadAsync(CancellationToken cancellationToken) => inner.LeadAsync(cancellationToken);

        public override Task<ReadOnlyMemory<byte>?> AskAsync(ReadOnlyMemory<byte> question, CancellationToken cancellationToken) =>
            inner.AskAsync(question, cancellationToken);

        public override ValueTask DisposeAsync() => inner.DisposeAsync();
    }

    sealed class FaultySubscription(FaultyTransport transport, JobSubscription inner) : JobSubscription
    {
        public override async ValueTask<Delivery?> NextAsync()
        {
            if (transport.NextFault() is { } fault)
            {
                throw fault;
            }

            return await inner.NextAsync() is { } delivery ? new FaultyDelivery(transport, delivery) : null;
        }

        public override SubscriptionHealth CheckHealth() => transport.Subscription ?? inner.CheckHealth();

        public override async Task StopAsync(CancellationToken cancellationToken)
        {
            await inner.StopAsync(cancellationToken);
            transport.Stopped++;
        }

        public override ValueTask DisposeAsync() => inner.DisposeAsync();
    }

    sealed class FaultyDelivery(FaultyTransport transport, Delivery inner) : Delivery
    {
        readonly JobMessage message = inner.Message;

        public override string Queue => inner.Queue;

        public override JobMessage Message => inner.Message;

        public override int DeliveryCount => inner.DeliveryCount;

        public override bool IsQuarantined => transport.Quarantines || inner.IsQuarantined;

        public override bool TryStart() => inner.TryStart();

        protected override ValueTask<IReadOnlyDictionary<int, Exception>> WriteAsync(IReadOnlyList<Outgoing> outgoing) =>
            transport.PublishAsync(outgoing, Timeout.InfiniteTimeSpan, CancellationToken.None);

        protected override ValueTask LeaveAsync() => PassAsync(FaultStep.Ack, () => inner.SettleAsync([]));

        protected override async ValueTask<bool> LeaveEarlyCoreAsync()
        {
            var left = false;
            await PassAsync(FaultStep.Ack, async () => left = await inner.LeaveEarlyAsync());
            return left;
        }

        protected override ValueTask ReleaseCoreAsync() => PassAsync(FaultStep.Release, inner.ReleaseAsync);

        async ValueTask PassAsync(FaultStep verb, Func<ValueTask> settle)
        {
            transport.Throw(verb, Queue, message);
            await settle();
            transport.Settled.Enqueue(new(Queue, message, verb));
        }
    }
}
