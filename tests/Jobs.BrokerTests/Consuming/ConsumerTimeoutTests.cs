using System.Collections.Concurrent;
using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Jobs.Transport;

namespace Jobs.BrokerTests.Consuming;

/// <summary>
/// The broker closes a channel (406) whose oldest delivery is older than <c>consumer_timeout</c>, and gives all its deliveries back. rabbitmq.md §3: with the client's
/// defaults every job of the channel runs twice.
/// </summary>
[Collection(nameof(BrokerWideCollection))]
public sealed class ConsumerTimeoutTests(BrokerFixture brokers) : IAsyncDisposable
{
    readonly Bench bench = new(brokers.Broker);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    /// <summary>A job that runs for hours must not be given to a second worker meanwhile. (Hangfire #1197 and its family)</summary>
    [Fact]
    public async Task A_job_longer_than_the_consumer_timeout_runs_once_and_the_others_go_on()
    {
        await LimitAsync(timeout: 3_000, look: 1_000);
        try
        {
            var long1 = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var ran = new ConcurrentQueue<string>();
            var task = new ProbeTask(async (_, text) =>
            {
                if (text == "long")
                {
                    await long1.Task;
                }

                ran.Enqueue(text);
            });
            var host = await bench.StartedAsync(bench.Host(task: task));
            var dispatcher = Bench.Jobs(host);
            await dispatcher.EnqueueAsync(ProbeTask.Job("long"), TestContext.Current.CancellationToken);
            await Eventually.BecomesAsync(() => task.Running == 1, TimeSpan.FromSeconds(10), "the long job to run");

            // Twice: a job that has been adopted once is taken away a second time.
            await Eventually.BecomesAsync(
                () => bench.Warnings.Count(w => w.StartsWith("441", StringComparison.Ordinal)) >= 2, TimeSpan.FromSeconds(60), "the broker to close the channel twice");
            await dispatcher.EnqueueManyAsync(Enumerable.Range(0, 30).Select(_ => ProbeTask.Job("short")), TestContext.Current.CancellationToken);
            await Eventually.BecomesAsync(() => ran.Count == 30, TimeSpan.FromSeconds(20), "the short jobs to run");
            long1.SetResult();

            await Eventually.BecomesAsync(() => ran.Count == 31, TimeSpan.FromSeconds(20), "the long job to end");
            await bench.StopHostsAsync();
            Assert.Equal(0, await bench.CountAsync(bench.Queue));
            Assert.Equal(31, task.Runs.Count);
            Assert.All(task.Runs, run => Assert.Equal(1, run.Value));
        }
        finally
        {
            await LimitAsync(timeout: 1_800_000, look: 60_000);
        }
    }

    /// <summary>A worker that holds what is not due holds it unacknowledged, and loses its channel over it. (Dramatiq #827, Celery #2976)</summary>
    [Fact]
    public async Task A_delay_longer_than_the_consumer_timeout_is_kept_by_no_worker_and_costs_no_channel()
    {
        await LimitAsync(timeout: 1_000, look: 500);
        try
        {
            var task = new ProbeTask();
            var host = await bench.StartedAsync(bench.Host(task: task));
            await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job("ours") with { Delay = TimeSpan.FromSeconds(7) }, TestContext.Current.CancellationToken);

            // As Celery does it: the job goes to the queue at once, and says when.
            var celerys = Bench.Message("celerys", """[["celerys"],{},{}]""");
            celerys.Headers["eta"] = DateTimeOffset.UtcNow.AddSeconds(7).ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'+00:00'", System.Globalization.CultureInfo.InvariantCulture);
            await Bench.Transport(host).PublishAsync(new Outgoing(bench.Queue, celerys), TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);

            await Eventually.BecomesAsync(() => task.Total == 2, TimeSpan.FromSeconds(30), "both jobs to run");
            Assert.Equal(["celerys", "ours"], task.Arguments.Select(a => a.Text).Order());
            Assert.All(task.Runs, run => Assert.Equal(1, run.Value));
            Assert.DoesNotContain(bench.Warnings, w => w.StartsWith("441", StringComparison.Ordinal));
        }
        finally
        {
            await LimitAsync(timeout: 1_800_000, look: 60_000);
        }
    }

    // Looked at once a minute by default, by a timer that a channel sets when it opens.
    Task LimitAsync(int timeout, int look) => brokers.Broker.ControlAsync(
        "eval", string.Create(System.Globalization.CultureInfo.InvariantCulture, $"application:set_env(rabbit, consumer_timeout, {timeout}), application:set_env(rabbit, channel_tick_interval, {look})."));
}
