using System.Collections.Concurrent;
using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Jobs.Tests.News;
using Microsoft.Extensions.Hosting;

namespace Jobs.BrokerTests.Cluster;

/// <summary>
/// Classic queues that an administrator made and a policy mirrors (RabbitMQ 3.x), used with <see cref="DeclareMode.Passive"/>. rabbitmq.md §3: at a failover the
/// broker goes on as if nothing had happened unless it is asked to cancel the consumers, and acks from before may then settle other messages.
/// Trait: a cluster of local processes is the same whatever the shared broker is.
/// </summary>
[Collection(nameof(ClusterCollection))]
[Trait("Needs", "cluster")]
public sealed class MirroredQueueTests(MirroredCluster cluster) : IClassFixture<MirroredCluster>, IAsyncLifetime
{
    const int Master = 0;
    const int WorkersNode = 1;
    const int PublishersNode = 2;

    static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);

    Bench? ofThisTest;

    Bench Bench => ofThisTest!;

    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync()
    {
        ofThisTest = new(new ClusterNode(cluster.Nodes, WorkersNode));
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        // Before the clearing up: 3.10 lists queues very slowly while a member of a quorum queue is down (server #6282).
        for (var index = 0; index < cluster.Nodes.Nodes.Count; index++)
        {
            if (!cluster.Nodes.Nodes[index].IsRunning)
            {
                await cluster.Nodes.StartAsync(index);
            }
        }

        await cluster.Nodes.AllRunAsync();
        await Bench.DisposeAsync();
    }

    // Wolverine #1878, Celery #987, Dramatiq #207: a consumer that the broker cancels is subscribed again; server #4004, #4305: and acks nothing from before.
    [Fact]
    public async Task The_death_of_the_masters_node_under_load_loses_no_confirmed_job_and_the_consumer_subscribes_again()
    {
        const int Held = 3;
        await cluster.DeclareAsync(Master, Bench.Queue);
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var task = new ProbeTask(async (_, text) => await (text == "held" ? gate.Task : Task.CompletedTask));
        await Bench.StartedAsync(Host(WorkersNode, task));
        var dispatcher = Bench.Jobs(Host(PublishersNode));
        var confirmed = new ConcurrentQueue<string>();
        var held = await EnqueueAsync(Held, "held");
        await Eventually.BecomesAsync(() => task.Running == Held, Soon, "the held jobs to run");

        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var load = Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(LoadAsync, Cancellation)));
        await Eventually.BecomesAsync(() => task.Total > 200, Soon, "the load to be on its way");

        await cluster.Nodes.KillAsync(Master);

        // The connections live: they are to other nodes. So it is the broker's cancel that ends the consumer.
        await Eventually.BecomesAsync(
            () => Bench.Warnings.Any(w => w.StartsWith("441", StringComparison.Ordinal) && w.Contains("cancelled", StringComparison.Ordinal)), Soon, "the consumer to be cancelled");
        var before = confirmed.Count;
        await Eventually.BecomesAsync(() => confirmed.Count > before + 200, Soon, "the load to go on");
        await enough.CancelAsync();
        await load;
        gate.SetResult();

        await Eventually.BecomesAsync(() => confirmed.All(task.Runs.ContainsKey), Soon, "every confirmed job to have run");
        await Bench.HoldsAsync(Bench.Queue, 0);
        Assert.NotEqual(Master, await cluster.MasterAsync(Bench.Queue, from: WorkersNode));
        Assert.DoesNotContain(Bench.Warnings, w => w.StartsWith("401", StringComparison.Ordinal)); // no connection was lost on the way
        Assert.All(held, id => Assert.Equal(1, task.Runs[id])); // they came back, and were recognised
        TestContext.Current.SendDiagnosticMessage("{0} jobs, {1} twice", task.Runs.Count, task.Runs.Count(run => run.Value > 1));

        // And nothing of it comes back when what was unacknowledged is given back.
        await Bench.StopHostsAsync();
        Assert.Equal(0, await Bench.CountAsync(Bench.Queue));

        async Task LoadAsync()
        {
            while (!enough.IsCancellationRequested)
            {
                await EnqueueAsync(10, "load");
            }
        }

        async Task<string[]> EnqueueAsync(int count, string text)
        {
            string[] ids = [.. (await dispatcher.EnqueueManyAsync(Enumerable.Range(0, count).Select(_ => ProbeTask.Job(text)), Cancellation)).Select(handle => handle.Id)];
            foreach (var id in ids)
            {
                confirmed.Enqueue(id);
            }

            return ids;
        }
    }

    [Fact]
    public async Task Retries_delays_and_dead_letters_work_for_a_mirrored_queue_before_and_after_a_failover()
    {
        await cluster.DeclareAsync(Master, Bench.Queue);
        var attempts = new ConcurrentQueue<(string Text, int Attempt)>();
        var task = new ProbeTask((context, text) =>
        {
            attempts.Enqueue((text, context.Attempt));
            return text.StartsWith("dead", StringComparison.Ordinal) ? throw new DeadJobException("no")
                : text.StartsWith("retry", StringComparison.Ordinal) && context.Attempt == 1 ? throw new InvalidOperationException("once")
                : ValueTask.CompletedTask;
        });
        await Bench.StartedAsync(Host(WorkersNode, task));
        var dispatcher = Bench.Jobs(Host(PublishersNode));

        await AllAsync("before");
        await cluster.Nodes.KillAsync(Master);
        await Eventually.BecomesAsync(
            () => Bench.Warnings.Any(w => w.StartsWith("441", StringComparison.Ordinal)), Soon, "the consumer to be cancelled");
        await AllAsync("after");

        async Task AllAsync(string when)
        {
            await dispatcher.EnqueueAsync(ProbeTask.Job($"delay {when}") with { Delay = TimeSpan.FromSeconds(1) }, Cancellation);
            await dispatcher.EnqueueAsync(ProbeTask.Job($"retry {when}"), Cancellation);
            await dispatcher.EnqueueAsync(ProbeTask.Job($"dead {when}") with { Id = $"dead {when}" }, Cancellation);
            (string, int)[] expected = [($"dead {when}", 1), ($"delay {when}", 1), ($"retry {when}", 1), ($"retry {when}", 2)];
            await Eventually.BecomesAsync(() => expected.All(attempts.Contains), Soon, $"all kinds of jobs to run {when}");
            await Bench.HoldsAsync(Bench.DeadQueue, 1);
            Assert.Equal([$"dead {when}"], (await Bench.DrainIdsAsync(Bench.DeadQueue)).Keys);
        }
    }

    // The sample as it is: the environment says that the queues are somebody else's.
    [Fact]
    public async Task The_news_site_runs_on_mirrored_queues_and_survives_the_death_of_their_masters_node()
    {
        await cluster.DeclareAsync(Master, "news");
        await cluster.DeclareAsync(Master, "jobs");
        await using var site = NewsSite.Start(cluster.Uri, new Dictionary<string, string> { ["Jobs__RabbitMq__Declare"] = "Passive" });
        await WorksAsync("before.kill");

        await cluster.Nodes.KillAsync(Master);

        await WorksAsync("after.kill");
        Assert.NotEqual(Master, await cluster.MasterAsync("news", from: WorkersNode));
        Assert.Equal(0, await site.TerminateAsync());

        // Enqueue at login, and the schedule.
        async Task WorksAsync(string user)
        {
            await Eventually.BecomesAsync(LogsInAsync, Soon, $"{user} to log in");
            await site.PollAsync("/live", html => html.Contains("profile updated", StringComparison.Ordinal), Soon);
            var refreshed = Refreshed(await site.GetAsync("/live"));
            await site.PollAsync("/live", html => html.Contains(">refreshed ", StringComparison.Ordinal) && Refreshed(html) != refreshed, Soon);

            async Task<bool> LogsInAsync()
            {
                try
                {
                    await site.LoginAsync(user);
                    return true;
                }
                catch (HttpRequestException)
                {
                    return false; // it does not listen yet
                }
            }
        }

        static string Refreshed(string html) => html.IndexOf(">refreshed ", StringComparison.Ordinal) is >= 0 and var at ? html[at..][..24] : "";
    }

    IHost Host(int node, ProbeTask? task = null) => Bench.Host(
        cluster.Nodes.AmqpUris[node].ToString(), rabbit: o => o.Declare = DeclareMode.Passive, jobs: o => o.RetryDelay = TimeSpan.FromSeconds(2), task: task);
}
