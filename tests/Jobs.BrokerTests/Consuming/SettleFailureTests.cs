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

    /// <summary>
    /// Given back, it would run, die and be refused again, for ever; not given back, it would hold its place of the prefetch. (Wolverine #3767)
    /// </summary>
    [Fact]
    public async Task A_job_whose_dead_letter_has_no_room_for_a_reason_is_dead_without_one_and_the_log_has_it()
    {
        var task = new ProbeTask((_, text) => text == "full" ? throw new DeadJobException(new string('x', 1_000)) : ValueTask.CompletedTask);
        var dispatcher = Bench.Jobs(bench.Host());
        var note = new Dictionary<string, object?> { ["note"] = new string('x', AlmostAFrame) };
        await dispatcher.EnqueueAsync(ProbeTask.Job("full") with { Id = "full", Headers = note }, TestContext.Current.CancellationToken);
        await dispatcher.EnqueueManyAsync(Enumerable.Range(0, 10).Select(i => ProbeTask.Job() with { Id = $"{i}" }), TestContext.Current.CancellationToken);

        await bench.StartedAsync(bench.Host(task: task, worker: o => (o.Concurrency, o.Prefetch) = (1, 1)));

        await bench.HoldsAsync(bench.DeadQueue, 1);
        await Eventually.BecomesAsync(() => task.Runs.Count == 11, Soon, "the others to run");
        Assert.Equal(1, bench.Logged(202, "xxx"));
        await bench.StopHostsAsync();
        await bench.HoldsAsync(bench.Queue, 0);
        var letter = Assert.Single(await bench.DrainAsync(bench.DeadQueue));
        Assert.Equal("full", letter.BasicProperties.CorrelationId);
        Assert.DoesNotContain("x-jobs-dead-reason", letter.BasicProperties.Headers!.Keys);
    }
}
