using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Microsoft.Extensions.DependencyInjection;
using RabbitMQ.Client.Exceptions;

namespace Jobs.BrokerTests.Cluster;

/// <summary>The history while most nodes of its stream are down, and afterwards.</summary>
[Collection(nameof(ClusterCollection))]
[Trait("Needs", "cluster")]
public sealed class HistoryClusterTests : IAsyncLifetime
{
    const int Living = 1;

    static readonly TimeSpan Soon = TimeSpan.FromSeconds(120);

    LocalCluster? started;
    Bench? ofThisTest;

    LocalCluster Cluster => started!;

    Bench Bench => ofThisTest!;

    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        started = await LocalCluster.StartAsync();
        ofThisTest = new(new ClusterNode(started, Living));
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            await Bench.DisposeAsync();
        }
        catch (OperationInterruptedException)
        {
            // RabbitMQ 3.10 does not delete a stream that it could not start again.
        }

        await Cluster.DisposeAsync();
    }

    [Fact]
    public async Task With_two_of_three_nodes_down_the_inspector_answers_and_says_what_is_missing_and_afterwards_the_history_goes_on()
    {
        var task = new ProbeTask((_, _) => throw new DeadJobException("no feed"));
        var host = await Bench.StartedAsync(Bench.Host(jobs: options => options.Events = EventLevel.Default, task: task));
        var inspector = host.Services.GetRequiredService<JobInspector>();
        var before = await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job(), Cancellation);
        await Eventually.BecomesAsync(
            async () => (await inspector.GetJobAsync(before.Id, Cancellation)).State == JobState.Dead, Soon, "the job to be known as dead");

        await Task.WhenAll(Others.Select(Cluster.KillAsync));

        // What is in memory is answered at once, and no question outlasts its deadline.
        Assert.Equal(JobState.Dead, (await inspector.GetJobAsync(before.Id, Cancellation).WaitAsync(Soon, Cancellation)).State);
        Assert.Single((await inspector.SearchAsync(new() { Id = before.Id, Timeout = TimeSpan.FromSeconds(2) }, Cancellation).WaitAsync(Soon, Cancellation)).Jobs);
        Assert.Contains(Bench.Queue, (await inspector.QueuesAsync(Cancellation).WaitAsync(Soon, Cancellation)).Queues.Select(queue => queue.Name));
        Assert.NotNull(await inspector.TransportAsync(Cancellation).WaitAsync(Soon, Cancellation));
        var fresh = Bench.Host(jobs: options => options.Events = EventLevel.Default).Services.GetRequiredService<JobInspector>();
        var unread = await fresh.SearchAsync(new() { Timeout = TimeSpan.FromSeconds(2) }, Cancellation).WaitAsync(Soon, Cancellation);
        Assert.Equal((0, true), (unread.Jobs.Count, unread.Problem is not null));

        foreach (var node in Others)
        {
            await Cluster.StartAsync(node);
        }

        await Cluster.AllRunAsync();
        var after = await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job(), Cancellation).WaitAsync(Soon, Cancellation);
        await Eventually.BecomesAsync(async () => (await fresh.DeadLettersAsync(new(), cancellationToken: Cancellation)).Total == 2, Soon, "both dead letters to be in the index");

        // RabbitMQ 3.10 starts the stream again, or in some runs does not. Then the answers go on to say so.
        var known = await Task.WhenAll(new[] { before.Id, after.Id }.Select(id => fresh.GetJobAsync(id, Cancellation)));
        Assert.All(known, job => Assert.True(job.State == JobState.Dead || job.Problem is not null, $"{job}"));
    }

    static IEnumerable<int> Others => [0, 2];
}
