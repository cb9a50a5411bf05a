using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Jobs.RabbitMQ;
using Jobs.Transport;
using Microsoft.Extensions.Hosting;
using RabbitMQ.Client;

namespace Jobs.BrokerTests.Consuming;

/// <summary>Suspects that kill nobody. The broker counts every return, also those that were asked for; from 4.3 on not every one.</summary>
public sealed class QuarantineTests(BrokerFixture brokers) : IAsyncDisposable
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(40);

    readonly Bench bench = new(brokers.Broker);

    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    /// <summary>Each is given back more often than <c>MaxDeliveries</c>: merely prefetched, interrupted, and interrupted in quarantine. (rabbitmq-website #2207, NServiceBus.RabbitMQ #1550)</summary>
    [Fact]
    public async Task Jobs_that_25_stops_of_their_worker_give_back_are_neither_dead_nor_blamed()
    {
        const int Stops = 25, Count = 3;
        var interrupted = new ProbeTask(async (context, _) => await Task.Delay(Timeout.Infinite, context.CancellationToken));
        await Bench.Jobs(bench.Host()).EnqueueManyAsync(Enumerable.Range(0, Count).Select(i => ProbeTask.Job() with { Id = $"{i}" }), Cancellation);
        for (var stop = 0; stop < Stops; stop++)
        {
            using var worker = await bench.StartedAsync(bench.Host(task: interrupted, worker: Worker));
            await Eventually.BecomesAsync(() => interrupted.Running == 1, Soon, "a job to run");
            await worker.StopAsync(Cancellation);
        }

        var done = new ProbeTask();
        await bench.StartedAsync(bench.Host(task: done, worker: Worker));
        await Eventually.BecomesAsync(() => done.Runs.Count == Count, Soon, "every job to run to its end");
        await bench.HoldsAsync(bench.Queue, 0);
        Assert.All(done.Runs, run => Assert.Equal(1, run.Value));
        Assert.Equal(0, await bench.CountAsync(bench.DeadQueue));
        Assert.DoesNotContain(bench.Lines, line => line.Text.Contains("died", StringComparison.Ordinal));

        static void Worker(WorkerOptions options) => (options.MaxDeliveries, options.Concurrency, options.Prefetch, options.DrainTimeout) = (4, 1, 30, TimeSpan.Zero);
    }

    [Fact]
    public async Task Only_what_a_worker_did_not_give_back_counts_in_quarantine()
    {
        var host = bench.Host();
        await bench.PublishAsync(Bench.Message("one"));
        var worker = await bench.SubscribeAsync(host, maxDeliveries: 4);
        var delivery = await NextAsync(worker);
        for (; !delivery.IsQuarantined; delivery = await NextAsync(worker))
        {
            Assert.True(delivery.DeliveryCount < 4);
            await delivery.ReleaseAsync();
        }

        for (var deaths = 0; deaths < 3; deaths++)
        {
            for (var returns = 0; returns < 5; returns++)
            {
                Assert.True(delivery.IsQuarantined);
                Assert.Equal((bench.Queue, deaths), (delivery.Queue, delivery.DeliveryCount));
                await delivery.ReleaseAsync();
                delivery = await NextAsync(worker);
            }

            await worker.DisposeAsync(); // with the job in its hands
            worker = await bench.SubscribeAsync(host, maxDeliveries: 4);
            delivery = await NextAsync(worker);
        }

        Assert.Equal(3, delivery.DeliveryCount);
        await delivery.SettleAsync([]);
        await worker.DisposeAsync();
        Assert.Equal((0, 0), (await bench.CountAsync(bench.Queue), await bench.CountAsync(bench.QuarantineQueue)));
    }

    [Fact]
    public async Task A_job_in_quarantine_whose_copy_cannot_be_written_is_given_back_all_the_same()
    {
        var host = bench.Host();
        await bench.PublishAsync(Bench.Message("one"));
        var (inbox, parts) = (new Inbox(), bench.Parts(host));
        var quarantine = new Quarantine("elsewhere", bench.Queue, 4, (_, _) => throw new JobPublishException("one", maybeEnqueued: false, isTransient: true, "No connection."), parts);
        await using var incarnation = new Incarnation(await new ConnectionFactory { Uri = brokers.Broker.AmqpUri, AutomaticRecoveryEnabled = false }.CreateConnectionAsync(Cancellation), new());
        await using var consumer = await Consumer.StartAsync(new(bench.Queue, "elsewhere", 1, quarantine), inbox, new(parts.Time), (_, _) => default, parts, incarnation, Cancellation);

        var delivery = (await inbox.NextAsync().AsTask().WaitAsync(Soon, Cancellation))!;
        await delivery.ReleaseAsync();

        var again = (await inbox.NextAsync().AsTask().WaitAsync(Soon, Cancellation))!;
        Assert.True(again.IsQuarantined);
        Assert.Equal("one", again.Message.CorrelationId);
        await again.SettleAsync([]);
    }

    static async Task<Delivery> NextAsync(JobSubscription subscription) => (await subscription.NextAsync().AsTask().WaitAsync(Soon, Cancellation))!;
}
