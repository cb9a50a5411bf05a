using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;

namespace Jobs.BrokerTests.Consuming;

/// <summary>Jobs whose end cannot be written down.</summary>
public sealed class SettleFailureTests(BrokerFixture brokers) : IAsyncDisposable
{
    // What a frame of 128 KiB holds with the job's other headers, and not with even the short reason of a dead letter too.
    const int AlmostAFrame = 130_620;

    static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);

    readonly Bench bench = new(brokers.Broker);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    /// <summary>It would hold its place of the prefetch until the worker ends, and at a prefetch of 1 nothing would run any more. (Wolverine #3767)</summary>
    [Fact]
    public async Task A_job_that_can_be_settled_nowhere_is_given_back_and_leaves_no_delivery_unacked_on_a_live_channel()
    {
        var task = new ProbeTask((_, text) => text == "unsettled" ? throw new DeadJobException(new string('x', 1_000)) : ValueTask.CompletedTask);
        var dispatcher = Bench.Jobs(bench.Host());
        await dispatcher.EnqueueAsync(
            ProbeTask.Job("unsettled") with { Id = "unsettled", Headers = new Dictionary<string, object?> { ["note"] = new string('x', AlmostAFrame) } }, TestContext.Current.CancellationToken);
        await dispatcher.EnqueueManyAsync(Enumerable.Range(0, 10).Select(i => ProbeTask.Job() with { Id = $"{i}" }), TestContext.Current.CancellationToken);

        await bench.StartedAsync(bench.Host(task: task, worker: o => (o.Concurrency, o.Prefetch) = (1, 1)));

        await Eventually.BecomesAsync(() => task.Runs.Count == 11 && task.Runs["unsettled"] >= 2, Soon, "the others to run, and the job that cannot be settled to run again");
        Assert.Equal(0, Math.Max(0, await bench.CountAsync(bench.DeadQueue)));
        await bench.StopHostsAsync();
        await Eventually.BecomesAsync(
            async () => await bench.CountAsync(bench.Queue) + Math.Max(0, await bench.CountAsync(bench.QuarantineQueue)) == 1, Soon, "the job to be back, and nothing else");
    }
}
