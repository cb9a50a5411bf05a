namespace Jobs.Transport;

/// <summary>Results of the in-memory transport: jobs and callers are in one process.</summary>
sealed class InMemoryResults(TimeProvider time, TimeSpan expiry) : ResultStore
{
    readonly StatusBook book = new(time, () => expiry, static () => { });

    public override ValueTask<string> OpenAsync(CancellationToken cancellationToken) => new(ById);

    public override void Expect(string id) => book.Expect(id);

    public override void Forget(string id) => book.Forget(id);

    public override ValueTask<JobStatus?> ReadAsync(string id, CancellationToken cancellationToken) => new(book.Read(id));

    public override ValueTask<JobStatus?> WaitAsync(string id, TimeSpan timeout, CancellationToken cancellationToken) =>
        book.WaitAsync(id, timeout, cancellationToken);

    /// <summary>The transport closes: calls that wait fail.</summary>
    public void Close() => book.Lose(static () => new ObjectDisposedException(nameof(InMemoryTransport)));

    public void Tell(JobStatus news) => book.Tell(news, onlyExpected: false);
}
