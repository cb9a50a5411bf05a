using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Microsoft.Extensions.Hosting;

namespace Jobs.BrokerTests.Consuming;

/// <summary>A worker that is stopped as orchestrators do it. rabbitmq.md §3 "Graceful stop": interrupted is not failed.</summary>
public sealed class WorkerStopTests(BrokerFixture brokers) : IAsyncDisposable
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(40);

    readonly Bench bench = new(brokers.Broker);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Fact]
    public async Task Workers_stopped_under_load_lose_nothing_and_run_each_job_once()
    {
        const int Count = 2_000;
        var task = new ProbeTask(async (_, _) => await Task.Yield());
        await Bench.Jobs(bench.Host()).EnqueueManyAsync(Enumerable.Range(0, Count).Select(i => ProbeTask.Job() with { Id = $"{i}" }), TestContext.Current.CancellationToken);
        for (var round = 1; task.Total < Count; round++)
        {
            var worker = await bench.StartedAsync(bench.Host(task: task));
            var enough = Math.Min(Count, task.Total + 500);
            await Eventually.BecomesAsync(() => task.Total >= enough, Soon, $"{enough} jobs to have run");
            await worker.StopAsync(TestContext.Current.CancellationToken);
            var atTheStop = task.Total;
            Assert.Equal(0, task.Running);

            // What it did not run is back, and what it ran is acked: a graceful stop leaves nothing in between.
            await Eventually.BecomesAsync(
                async () => Count - atTheStop == await bench.CountAsync(bench.Queue) + Math.Max(0, await bench.CountAsync(bench.QuarantineQueue)), TimeSpan.FromSeconds(10), "the queues to hold what did not run");
            Assert.True(round < 12);
        }

        Assert.Equal(Count, task.Runs.Count);
        Assert.All(task.Runs, run => Assert.Equal(1, run.Value));
        Assert.Equal(0, await bench.CountAsync(bench.DeadQueue));
    }

    [Fact]
    public async Task A_job_that_is_cut_off_at_the_drain_deadline_is_given_back_and_spends_no_attempt()
    {
        var attempts = new System.Collections.Concurrent.ConcurrentQueue<int>();
        var task = new ProbeTask(async (context, _) =>
        {
            attempts.Enqueue(context.Attempt);
            if (attempts.Count == 1)
            {
                await Task.Delay(Timeout.Infinite, context.CancellationToken);
            }
        });
        var first = await bench.StartedAsync(bench.Host(task: task, worker: o => o.DrainTimeout = TimeSpan.FromMilliseconds(300)));
        await Bench.Jobs(first).EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);
        await Eventually.BecomesAsync(() => task.Running == 1, Soon, "the job to run");

        await first.StopAsync(TestContext.Current.CancellationToken);

        Assert.Equal(1, await bench.CountAsync(bench.Queue));
        await bench.StartedAsync(bench.Host(task: task));
        await Eventually.BecomesAsync(() => task.Total == 2, Soon, "the job to run again");
        Assert.Equal([1, 1], attempts);
    }

    [Fact]
    public async Task A_worker_whose_broker_is_silent_still_stops()
    {
        var proxy = bench.Proxy();
        var task = new ProbeTask();
        var host = await bench.StartedAsync(bench.Host(proxy, o => o.Heartbeat = TimeSpan.FromSeconds(2), task: task));
        await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);
        await Eventually.BecomesAsync(() => task.Total == 1, Soon, "the job to run");

        proxy.StallBoth();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await host.StopAsync(limit.Token).WaitAsync(TimeSpan.FromSeconds(25), TestContext.Current.CancellationToken);
        proxy.Resume();
    }
}
