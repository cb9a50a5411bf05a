using System.Collections.Concurrent;
using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;

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

    [Fact]
    public async Task A_job_longer_than_the_consumer_timeout_runs_once_and_the_others_go_on()
    {
        // Looked at once a minute by default, by a timer that a channel sets when it opens.
        await brokers.Broker.ControlAsync("eval", "application:set_env(rabbit, consumer_timeout, 3000), application:set_env(rabbit, channel_tick_interval, 1000).");
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
            await dispatcher.EnqueueAsync(ProbeTask.Job("long") with { Id = "long" }, TestContext.Current.CancellationToken);
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
            await brokers.Broker.ControlAsync("eval", "application:set_env(rabbit, consumer_timeout, 1800000), application:set_env(rabbit, channel_tick_interval, 60000).");
        }
    }
}
