using System.Collections.Concurrent;
using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Microsoft.Extensions.Hosting;

namespace Jobs.BrokerTests.Consuming;

/// <summary>
/// A task that kills its process every time. rabbitmq.md §1.2, §1.7: the broker counts deliveries, and from 4.0 on drops a message after 20 where there is no dead-letter exchange;
/// everything that was prefetched beside the poison is counted with it.
/// </summary>
public sealed class PoisonTests(BrokerFixture brokers) : IAsyncDisposable
{
    const int MaxDeliveries = 6, Suspected = MaxDeliveries / 2;

    static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    readonly Bench bench = new(brokers.Broker);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Fact]
    public async Task A_poison_ends_in_the_dead_letters_and_innocents_beside_it_run()
    {
        const int Innocents = 30;
        var dispatcher = Bench.Jobs(bench.Host());
        await dispatcher.EnqueueManyAsync(
            Enumerable.Range(0, Innocents).Select(i => ProbeTask.Job() with { Id = $"innocent-{i}" }).Prepend(ProbeTask.Job("poison") with { Id = "poison" }),
            TestContext.Current.CancellationToken);
        var ran = new ConcurrentDictionary<string, int>(StringComparer.Ordinal);
        var deaths = 0;

        // Each round is a "process": its memory, and with it what it remembers of deliveries, ends with it.
        while (await bench.CountAsync(bench.DeadQueue) < 1)
        {
            Assert.True(deaths < 3 * MaxDeliveries, $"{deaths} processes died and the poison is not dead");
            await LiveAndDieAsync();
        }

        // One more process, which nothing kills.
        var last = new ProbeTask((context, text) =>
        {
            if (text == "poison")
            {
                // A process that dies between the copy into quarantine and the ack leaves both: at least once.
                throw new DeadJobException("a second copy");
            }

            ran.AddOrUpdate(context.Id, 1, (_, n) => n + 1);
            return ValueTask.CompletedTask;
        });
        await bench.StartedAsync(bench.Host(task: last, worker: Worker));
        await Eventually.BecomesAsync(() => ran.Count == Innocents, Soon, "all innocents to have run");

        var letters = await bench.DrainAsync(bench.DeadQueue);
        Assert.All(letters, l => Assert.Equal("poison", l.BasicProperties.CorrelationId));
        Assert.Contains("MaxDeliveries", Bench.Header(letters[0], "x-jobs-dead-reason"), StringComparison.Ordinal);
        Assert.InRange(deaths, Suspected + MaxDeliveries - 1, Suspected + MaxDeliveries + 2); // what made it a suspect, and then as many in quarantine

        async Task LiveAndDieAsync()
        {
            await using var proxy = TcpProxy.Start(brokers.Broker.AmqpUri);
            var died = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var never = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var task = new ProbeTask(async (context, text) =>
            {
                if (died.Task.IsCompleted)
                {
                    await never.Task; // dead processes run nothing
                }

                if (text == "poison")
                {
                    Interlocked.Increment(ref deaths);
                    proxy.RefuseNew();
                    proxy.ResetAll();
                    died.TrySetResult();
                    await never.Task;
                }

                ran.AddOrUpdate(context.Id, 1, (_, n) => n + 1);
            });
            var host = bench.Host(proxy, task: task, worker: Worker);
            await host.StartAsync(TestContext.Current.CancellationToken);
            var dead = Eventually.BecomesAsync(async () => await bench.CountAsync(bench.DeadQueue) == 1, TimeSpan.FromSeconds(20), "a death or a dead letter");
            await Task.WhenAny(died.Task, dead);
            await Eventually.BecomesAsync(() => died.Task.IsCompleted ? proxy.OpenConnections == 0 : dead.IsCompletedSuccessfully, Soon, "the end of the process");
            never.TrySetCanceled(TestContext.Current.CancellationToken);
            using var kill = new CancellationTokenSource(TimeSpan.Zero);
            await host.StopAsync(kill.Token);
        }

        static void Worker(WorkerOptions options) => (options.MaxDeliveries, options.Concurrency, options.Prefetch, options.DrainTimeout) = (MaxDeliveries, 1, 20, TimeSpan.Zero);
    }
}
