using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;

namespace Jobs.BrokerTests.Publishing;

/// <summary>
/// A memory alarm blocks every publishing connection. rabbitmq.md §2.5: the publish stays pending, the connection stays open, and the client does not gate
/// publishes; what was written is not retracted by a reconnect, so publishing again would make it twice.
/// </summary>
[Collection(nameof(BrokerWideCollection))]
public sealed class BlockedBrokerTests(BrokerFixture brokers) : IAsyncDisposable
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    readonly Bench bench = new(brokers.Broker);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Fact]
    public async Task Publishes_wait_for_the_end_of_an_alarm_and_none_arrives_twice()
    {
        const int Count = 100;
        var dispatcher = Bench.Jobs(bench.Host(rabbit: o => o.Heartbeat = TimeSpan.FromSeconds(1)));
        await dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = "before" }, TestContext.Current.CancellationToken);
        Task[] calls;
        await AlarmAsync();
        try
        {
            calls = [.. Enumerable.Range(0, Count).Select(i => dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = $"{i}" }, TestContext.Current.CancellationToken))];
            await Eventually.BecomesAsync(() => bench.Warnings.Any(w => w.StartsWith("420", StringComparison.Ordinal)), Soon, "the block to be logged");

            // Longer than the 3 to 4 heartbeats after which a silent peer is given up: an alarm is no silence.
            var quiet = Task.Delay(TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken);
            Assert.Same(quiet, await Task.WhenAny(quiet, Task.WhenAny(calls)));
        }
        finally
        {
            await CalmAsync();
        }

        await Task.WhenAll(calls).WaitAsync(Soon, TestContext.Current.CancellationToken);
        var found = await bench.DrainIdsAsync(bench.Queue);
        Assert.Equal(Count + 1, found.Count);
        Assert.All(found, f => Assert.Equal(1, f.Value));
    }

    [Fact]
    public async Task At_the_deadline_a_job_that_was_never_written_is_not_enqueued()
    {
        var host = bench.Host();
        var dispatcher = Bench.Jobs(host);
        await dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = "before" }, TestContext.Current.CancellationToken);
        Bench.LimitEnqueue(host, seconds: 2);
        JobPublishException written, unwritten;
        await AlarmAsync();
        try
        {
            // The broker says that it blocks when something is published: the first one is written, and nobody knows about it.
            written = await Assert.ThrowsAsync<JobPublishException>(() => dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = "written" }, TestContext.Current.CancellationToken));
            unwritten = await Assert.ThrowsAsync<JobPublishException>(() => dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = "unwritten" }, TestContext.Current.CancellationToken));
        }
        finally
        {
            await CalmAsync();
        }

        Assert.Equal((true, true), (written.MaybeEnqueued, written.IsTransient));
        Assert.Equal((false, true), (unwritten.MaybeEnqueued, unwritten.IsTransient));
        Assert.Contains("blocks publishing", unwritten.Message, StringComparison.Ordinal);
        Bench.LimitEnqueue(host, seconds: 30);
        await dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = "after" }, TestContext.Current.CancellationToken).WaitAsync(Soon, TestContext.Current.CancellationToken);
        Assert.Equal(["after", "before", "written"], (await bench.DrainIdsAsync(bench.Queue)).Keys.Order(StringComparer.Ordinal));
    }

    // §2.5: a connection that only consumes is not blocked; that is why publishing has one of its own.
    [Fact]
    public async Task Jobs_run_and_are_acked_while_publishing_is_blocked()
    {
        var task = new ProbeTask();
        var enqueuer = Bench.Jobs(bench.Host());
        await enqueuer.EnqueueManyAsync(Enumerable.Range(0, 50).Select(_ => ProbeTask.Job()), TestContext.Current.CancellationToken);
        await AlarmAsync();
        try
        {
            await bench.StartedAsync(bench.Host(task: task));
            await Eventually.BecomesAsync(() => task.Total == 50, Soon, "the jobs to run");
            await bench.StopHostsAsync();
            Assert.Equal(0, await bench.CountAsync(bench.Queue));
        }
        finally
        {
            await CalmAsync();
        }
    }

    Task AlarmAsync() => brokers.Broker.ControlAsync("set_vm_memory_high_watermark", "0");

    Task CalmAsync() => brokers.Broker.ControlAsync("set_vm_memory_high_watermark", "0.6");
}
