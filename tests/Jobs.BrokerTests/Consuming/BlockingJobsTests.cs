using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;

namespace Jobs.BrokerTests.Consuming;

/// <summary>Jobs that block their threads. (rabbitmq-dotnet-client #520, #1354)</summary>
public sealed class BlockingJobsTests(BrokerFixture brokers) : IAsyncDisposable
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(90);

    readonly Bench bench = new(brokers.Broker);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    /// <summary>Without threads no heartbeat goes out; the broker would end the connection and give the jobs to the other worker.</summary>
    [Fact]
    public async Task Two_hundred_jobs_that_block_all_threads_of_two_processors_run_once_each_while_another_worker_waits_for_them()
    {
        const int Jobs = 200, Processors = 2, Heartbeat = 2;
        var ids = Enumerable.Range(0, Jobs).Select(i => $"j{i:000}").ToArray();
        await Bench.Jobs(bench.Host()).EnqueueManyAsync(ids.Select(id => ProbeTask.Job("block") with { Id = id }), TestContext.Current.CancellationToken);
        await using var blocked = WorkerProcess.Start(bench, concurrency: Jobs, prefetch: Jobs, maxDeliveries: 20, Processors, Heartbeat);
        await bench.HoldsAsync(bench.Queue, 0);
        await using var other = WorkerProcess.Start(bench, concurrency: Jobs, prefetch: Jobs, maxDeliveries: 20);
        await Eventually.BecomesAsync(() => blocked.Ended.Count + other.Ended.Count >= Jobs && blocked.Ended.Union(other.Ended).Count() == Jobs, Soon, "all jobs to end");

        Assert.Empty(other.Begun);
        Assert.Equal(ids, blocked.Begun.Order(StringComparer.Ordinal));
    }
}
