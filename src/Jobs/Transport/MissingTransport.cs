namespace Jobs.Transport;

/// <summary>
/// Stands in when nobody chose a transport, so that the start-up check can report that together with all other
/// problems.
/// </summary>
sealed class MissingTransport : JobTransport
{
    const string Remedy = "No transport: call UseSqlite(…), UseRabbitMq(…) or UseInMemory() inside AddJobs.";

    public override TransportCapabilities Capabilities => TransportCapabilities.None;

    public override IEnumerable<string> Problems() => [Remedy];

    public override ValueTask PublishAsync(Outgoing outgoing, TimeSpan timeout, CancellationToken cancellationToken) =>
        throw new InvalidOperationException(Remedy);

    public override Task<JobSubscription> SubscribeAsync(SubscriptionOptions options, CancellationToken cancellationToken) =>
        throw new InvalidOperationException(Remedy);

    public override Task<long> CountAsync(string queue, CancellationToken cancellationToken) => throw new InvalidOperationException(Remedy);

    public override JobJournal OpenJournal(string name) => throw new InvalidOperationException(Remedy);

    public override ResultStore Results => throw new InvalidOperationException(Remedy);

    public override JobLog History => throw new InvalidOperationException(Remedy);

    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
