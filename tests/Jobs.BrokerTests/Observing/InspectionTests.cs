using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Jobs.Transport;

namespace Jobs.BrokerTests.Observing;

/// <summary>What <see cref="JobInspector"/> tells of RabbitMQ beyond the contract of all transports.</summary>
public sealed class InspectionTests(BrokerFixture brokers) : IAsyncDisposable
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(60); // the management API shows a queue after up to 10 s

    readonly Bench bench = new(brokers.Broker);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task With_the_management_API_all_queues_have_their_figures_and_the_nodes_are_listed()
    {
        var host = bench.Host(rabbit: options => options.ManagementUri = brokers.Broker.ManagementUri.ToString());
        var other = $"{bench.Prefix}.other";
        await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job() with { Queue = other }, Cancellation);
        for (var i = 0; i < 5; i++)
        {
            await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job(), Cancellation);
        }

        var subscription = await bench.SubscribeAsync(host, prefetch: 2);
        Assert.NotNull(await subscription.NextAsync());
        var inspection = Bench.Transport(host).Inspection;
        QueuePage? page = null;
        await Eventually.BecomesAsync(
            async () => (page = await inspection.QueuesAsync([bench.Queue], Cancellation)).Queues.SingleOrDefault(queue => queue.Name == bench.Queue) is { Waiting: 3, Held: 2, Consumers: 1, InRate: not null, OutRate: not null }
                && page.Queues.Any(queue => queue.Name == other && queue.Waiting == 1),
            Soon,
            "all figures of both queues");

        Assert.Null(page!.Problem);
        Assert.DoesNotContain(page.Queues, queue => queue.Name.StartsWith($"{bench.Prefix}.quarantine.", StringComparison.Ordinal));
        var info = await inspection.LookAsync(Cancellation);
        Assert.Equal((true, null, brokers.Broker.Version), (info.IsUp, info.Problem, info.Version));
        Assert.All(info.Nodes, node => Assert.True(node is { IsRunning: true, HasMemoryAlarm: false, MemoryUsed: > 0, DiskFree: > 0 }));
        Assert.NotEmpty(info.Nodes);
        const InspectionCapabilities Documented = InspectionCapabilities.Held | InspectionCapabilities.BrokerRates | InspectionCapabilities.AllQueues | InspectionCapabilities.Nodes;
        Assert.Equal(Documented, inspection.Capabilities);
    }

    [Fact]
    public async Task A_management_API_that_is_away_or_refuses_is_a_problem_on_the_page_which_has_the_rest()
    {
        var alive = brokers.Broker.ManagementUri;
        foreach (var (uri, why) in new[] { ("http://127.0.0.1:1", "does not answer"), ($"http://nobody:wrong@{alive.Authority}", "user 'nobody' may not read") })
        {
            var host = bench.Host(rabbit: options => options.ManagementUri = uri);
            await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job(), Cancellation);
            var inspection = Bench.Transport(host).Inspection;

            var page = await inspection.QueuesAsync([bench.Queue], Cancellation);

            Assert.Contains(why, page.Problem, StringComparison.Ordinal);
            Assert.Equal(bench.Queue, Assert.Single(page.Queues).Name);
            var info = await inspection.LookAsync(Cancellation);
            Assert.True(info.IsUp);
            Assert.Contains(why, info.Problem, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_connection_that_is_lost_in_the_middle_of_a_question_is_said_and_cancels_nobody()
    {
        var proxy = bench.Proxy();
        var host = bench.Host(proxy);
        await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job(), Cancellation);
        proxy.StallServerToClient();
        var written = proxy.BytesToServer;
        var asking = Bench.Transport(host).Inspection.QueuesAsync([bench.Queue], Cancellation);
        await Eventually.BecomesAsync(() => proxy.BytesToServer > written, Soon, "the question to be written");

        proxy.ResetAll();

        var lost = await Assert.ThrowsAsync<JobTransportException>(() => asking.WaitAsync(Soon, Cancellation));
        Assert.True(lost.IsTransient);
        Assert.Contains("connection was lost", lost.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_broker_that_is_away_costs_each_question_its_deadline_and_the_answer_says_so()
    {
        var proxy = bench.Proxy();
        proxy.AcceptAndStaySilent = true;
        var inspector = (JobInspector)bench.Host(proxy, jobs: options => options.Events = EventLevel.Default).Services.GetService(typeof(JobInspector))!;

        var queues = inspector.QueuesAsync(Cancellation);
        var transport = inspector.TransportAsync(Cancellation);
        var job = inspector.GetJobAsync(Guid.CreateVersion7().ToString(), Cancellation);
        var search = inspector.SearchAsync(new() { Timeout = TimeSpan.FromSeconds(2) }, Cancellation);
        var delayed = inspector.DelayedAsync(cancellationToken: Cancellation);

        Assert.NotNull((await queues.WaitAsync(Soon, Cancellation)).Problem);
        Assert.Contains(bench.Queue, (await queues).Queues.Select(queue => queue.Name));
        Assert.Equal((false, true), (await transport.WaitAsync(Soon, Cancellation)) is var info ? (info.IsUp, info.Problem is not null) : default);
        Assert.NotNull((await job.WaitAsync(Soon, Cancellation)).Problem);
        Assert.NotNull((await search.WaitAsync(Soon, Cancellation)).Problem);
        await Assert.ThrowsAsync<JobTransportException>(() => delayed.WaitAsync(Soon, Cancellation));
    }
}
