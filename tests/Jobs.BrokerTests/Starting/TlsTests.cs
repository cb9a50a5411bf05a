using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;

namespace Jobs.BrokerTests.Starting;

public sealed class TlsTests : IAsyncDisposable
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);

    readonly Bench bench;
    readonly TlsDoor door;

    public TlsTests(BrokerFixture brokers) => (bench, door) = (new(brokers.Broker), new(brokers.Broker.AmqpUri));

    public async ValueTask DisposeAsync()
    {
        await bench.DisposeAsync();
        await door.DisposeAsync();
    }

    /// <summary>In a process of its own: which certificates are trusted is read once in a process.</summary>
    [Fact]
    public async Task Over_TLS_jobs_run_as_without_it()
    {
        const int Jobs = 500;
        await using var worker = WorkerProcess.Start(bench, concurrency: 20, prefetch: 50, maxDeliveries: 20, uri: door.Uri(), trusted: door.CertificateFile);
        var dispatcher = Bench.Jobs(bench.Host());
        await dispatcher.EnqueueManyAsync(Enumerable.Range(0, Jobs).Select(i => ProbeTask.Job(new string('x', i % 100 == 0 ? 300_000 : i)) with { Id = $"{i}" }), TestContext.Current.CancellationToken);

        await Eventually.BecomesAsync(() => worker.Ended.Count >= Jobs, Soon, "all jobs to end");
        Assert.Equal(Enumerable.Range(0, Jobs), worker.Ended.Select(int.Parse).Order());
        await bench.HoldsAsync(bench.Queue, 0);
    }

    [Fact]
    public async Task A_certificate_that_is_not_trusted_is_refused_and_the_error_says_so()
    {
        var dispatcher = Bench.Jobs(bench.Host(door.Uri(), jobs: o => o.EnqueueTimeout = TimeSpan.FromSeconds(5)));
        var exception = await Assert.ThrowsAsync<JobPublishException>(() => dispatcher.EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken));

        Assert.False(exception.MaybeEnqueued);
        Assert.Contains(bench.Warnings, line => line.Contains("no TLS with 'localhost'", StringComparison.Ordinal));
    }
}
