using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Microsoft.Extensions.DependencyInjection;

namespace Jobs.BrokerTests.History;

/// <summary>The history of jobs that a real Celery worker runs: its events go to the same exchange.</summary>
public sealed class CeleryHistoryTests(BrokerFixture brokers) : IAsyncDisposable
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    readonly Bench bench = new(brokers.Broker);

    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    string Celery => $"{bench.Prefix}.celery";

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Fact]
    public async Task Jobs_of_a_python_worker_are_told_with_their_attempts_and_failures()
    {
        var begun = TimeProvider.System.GetUtcNow().AddSeconds(-1);
        var host = bench.Host();
        var inspector = host.Services.GetRequiredService<JobInspector>();
        Assert.DoesNotContain((await inspector.SearchAsync(new() { Task = $"{bench.Prefix}.*" }, Cancellation)).Jobs, _ => true); // the stream is there from now on
        await using var worker = Python.OfThisMachine.Start(bench, $$"""
            from celery import Celery
            from kombu import Exchange, Queue
            app = Celery(broker=uri)
            app.conf.task_queues = [Queue('{{Celery}}', Exchange(''), routing_key='{{Celery}}', auto_delete=False)]
            @app.task(name='{{bench.Prefix}}.add')
            def add(x, y):
                return x + y
            @app.task(name='{{bench.Prefix}}.fail', bind=True, max_retries=1)
            def fail(self, why):
                try:
                    raise ValueError(why, 42)
                except ValueError as e:
                    raise self.retry(exc=e, countdown=0)
            app.worker_main(['worker', '-P', 'solo', '-E', '-n', '{{bench.Prefix}}@host', '--without-mingle', '--without-gossip', '-Q', '{{Celery}}'])
            """);
        await Eventually.BecomesAsync(async () => await bench.CountAsync(Celery) >= 0, Soon, "Celery to declare its queue");

        var added = await Bench.Jobs(host).EnqueueAsync(new Job($"{bench.Prefix}.add", [2, 3]) with { Queue = Celery }, Cancellation);
        var failed = await Bench.Jobs(host).EnqueueAsync(new Job($"{bench.Prefix}.fail", ["bad"]) with { Queue = Celery }, Cancellation);

        await Eventually.BecomesAsync(async () => (await inspector.GetJobAsync(failed.Id, Cancellation)).State == JobState.Dead, Soon, "the failure to be told");
        var job = await inspector.GetJobAsync(failed.Id, Cancellation);
        Assert.Equal(($"{bench.Prefix}.fail", "('bad',)", $"{bench.Prefix}@host", 1), (job.Task, job.Arguments, job.Worker, job.Retries));
        Assert.Equal([JobState.Retrying, JobState.Dead], job.Attempts.Select(attempt => attempt.State));
        Assert.Equal(("ValueError", "'bad', 42"), (job.Error!.Type, job.Error.Message));
        Assert.Contains("in fail", job.Error.Stack, StringComparison.Ordinal);

        var page = await inspector.SearchAsync(new() { Task = $"{bench.Prefix}.add" }, Cancellation);
        var done = Assert.Single(page.Jobs);
        Assert.Equal((added.Id, JobState.Succeeded, "5"), (done.Id, done.State, done.Result));
        Assert.NotNull(done.Runtime);
        var groups = (await inspector.FailuresAsync(new() { Task = $"{bench.Prefix}.*" }, Cancellation)).Groups;
        Assert.All(groups, group => Assert.Equal("ValueError", group.Type));
        Assert.Equal(2, groups.Sum(group => group.Count));
        var known = Assert.Single(await inspector.WorkersAsync(Cancellation), w => w.Name == $"{bench.Prefix}@host");
        Assert.Equal("py-celery", known.Software);
        Assert.InRange(known.StartedAt!.Value, begun, TimeProvider.System.GetUtcNow());
        ThroughputInfo? told = null;
        await Eventually.BecomesAsync(
            async () => (told = await inspector.ThroughputAsync(Cancellation)).Tasks.Count(task => task.Task.StartsWith(bench.Prefix, StringComparison.Ordinal)) == 2, Soon, "both tasks");
        Assert.Equal((1, 1, 0, 0), Sum("add"));
        Assert.Equal((2, 0, 1, 1), Sum("fail"));

        (long Started, long Succeeded, long Failed, long Retried) Sum(string task) => told!.Tasks.Single(one => one.Task == $"{bench.Prefix}.{task}").Minutes
            .Aggregate((0L, 0L, 0L, 0L), (sum, minute) => (sum.Item1 + minute.Started, sum.Item2 + minute.Succeeded, sum.Item3 + minute.Failed, sum.Item4 + minute.Retried));
    }
}
