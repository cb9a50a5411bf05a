using Jobs.Contracts;
using Jobs.Tests.Working;
using Jobs.Transport;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Xunit;

namespace Jobs.Tests.Hosting;

/// <summary>What a host says at its start, and how options come together.</summary>
public sealed class StartupTests
{
    [Fact]
    public async Task All_problems_come_at_once()
    {
        using var host = Build(jobs => jobs
            .AddTask(TestTask.Returning("same"))
            .AddTask(TestTask.Returning("same"))
            .AddTask(new TestTask("other", (_, _) => Task.CompletedTask) { Aliases = ["same"] })
            .Configure(o => (o.DefaultQueue, o.DeadLetterQueue, o.MaxRetries, o.EnqueueTimeout, o.RetryDelay) = ("amq.x", "", -1, TimeSpan.Zero, TimeSpan.FromDays(1)))
            .AddWorker(w => (w.Concurrency, w.Prefetch, w.MaxDeliveries, w.DrainTimeout, w.Queues) = (0, 0, 1, TimeSpan.FromSeconds(-1), ["amq.y"])));

        var thrown = await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync(TestContext.Current.CancellationToken));

        var problems = thrown.Failures.ToArray();
        string[] expected =
        [
            "DefaultQueue 'amq.x'", "DeadLetterQueue ''", "MaxRetries -1", "EnqueueTimeout 00:00:00", "RetryDelay 1.00:00:00", "Concurrency 0", "Prefetch 0", "MaxDeliveries 1",
            "DrainTimeout -00:00:01", "Queues 'amq.y'", "No transport", "Two tasks are called 'same'",
        ];
        Assert.All(expected, e => Assert.Contains(problems, p => p.Contains(e, StringComparison.Ordinal)));
        Assert.Equal(expected.Length + 1, problems.Length); // three tasks share a name
    }

    [Fact]
    public async Task A_schedule_whose_job_can_never_be_enqueued_is_refused_before_it_fires()
    {
        using var host = Build(jobs => jobs.UseInMemory().AddSchedule("odd", TimeSpan.FromHours(1), new Job("t", [typeof(int)])).AddBeat());
        var thrown = await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync(TestContext.Current.CancellationToken));
        Assert.StartsWith("Schedule 'odd' in code: Job 't' has arguments that cannot be written", Assert.Single(thrown.Failures), StringComparison.Ordinal);

        Assert.Contains("priority 10", Refused(new Job("t") { Priority = 10 }), StringComparison.Ordinal);
        Assert.Contains("the Id 'mine'", Refused(new Job("t") { Id = "mine" }), StringComparison.Ordinal);

        static string Refused(Job job) => Assert.Throws<ArgumentException>(() => Build(jobs => jobs.AddSchedule("odd", "* * * * *", job))).Message;
    }

    [Fact]
    public async Task A_worker_that_can_start_starts_and_nothing_is_said()
    {
        await using var host = await JobsHost.StartAsync(TestTask.Returning("ok"));
        Assert.Single(host.Logs.Lines, l => l.EventId == 100);
    }

    [Fact]
    public async Task A_host_without_a_worker_only_enqueues()
    {
        var task = TestTask.Returning("ok");
        await using var host = JobsHost.Create(jobs => jobs.AddTask(task));
        await host.StartAsync();
        await host.EnqueueAsync("ok");
        Assert.Equal(1, await host.CountAsync());
        Assert.Equal(0, task.Runs);
        Assert.DoesNotContain(host.Logs.Lines, l => l.EventId == 100);
    }

    [Fact]
    public async Task AddJobs_and_AddWorker_may_be_called_twice()
    {
        var (one, two) = (TestTask.Returning("one"), TestTask.Returning("two"));
        var host = JobsHost.Create(
            jobs =>
            {
                jobs.AddTask(one).AddWorker(w => w.Concurrency = 2).Configure(o => o.MaxRetries = 7);
                jobs.Services.AddJobs(again => again.AddTask(two).AddTask(two).AddWorker(w => w.Prefetch = 9));
            },
            Settings(("Jobs:MaxRetries", "1"), ("Jobs:Worker:Concurrency", "1")));
        await using var running = host;
        await host.StartAsync();
        await host.EnqueueAsync("one", "1");
        await host.EnqueueAsync("two", "2");
        await host.AckedAsync("1");
        await host.AckedAsync("2");

        Assert.Equal((1, 1), (one.Runs, two.Runs));
        Assert.Single(host.Logs.Lines, l => l.EventId == 100); // one worker
        Assert.Equal(7, host.Services.GetRequiredService<IOptions<JobsOptions>>().Value.MaxRetries); // the first call's code wins too
        var worker = host.Services.GetRequiredService<IOptions<WorkerOptions>>().Value;
        Assert.Equal((2, 9), (worker.Concurrency, worker.Prefetch));
    }

    [Fact]
    public async Task Configuration_is_bound_and_code_wins()
    {
        await using var host = JobsHost.Create(
            jobs => jobs.Configure(o => o.MaxRetries = 9).AddWorker(w => w.Prefetch = 5),
            Settings(
                ("Jobs:DefaultQueue", "from.file"),
                ("Jobs:MaxRetries", "1"),
                ("Jobs:RetryDelay", "00:00:02"),
                ("Jobs:Worker:Concurrency", "3"),
                ("Jobs:Worker:Prefetch", "4"),
                ("Jobs:Worker:Queues:0", "a"),
                ("Jobs:Worker:Queues:1", "b")));

        var options = host.Services.GetRequiredService<IOptions<JobsOptions>>().Value;
        Assert.Equal(("from.file", 9, TimeSpan.FromSeconds(2), "jobs.dead"), (options.DefaultQueue, options.MaxRetries, options.RetryDelay, options.DeadLetterQueue));
        var worker = host.Services.GetRequiredService<IOptions<WorkerOptions>>().Value;
        Assert.Equal((3, 5), (worker.Concurrency, worker.Prefetch));
        Assert.Equal(["a", "b"], worker.Queues);
    }

    [Fact]
    public async Task The_prefetch_follows_the_concurrency()
    {
        await using var host = JobsHost.Create(jobs => jobs.AddWorker(w => w.Concurrency = 6));
        Assert.Equal(12, host.Services.GetRequiredService<IOptions<WorkerOptions>>().Value.EffectivePrefetch);
    }

    [Fact]
    public async Task The_last_transport_wins()
    {
        using var host = Build(jobs => jobs.UseInMemory().UseTransport(_ => new FaultyTransport(new InMemoryTransport(TimeProvider.System))).UseInMemory());
        Assert.IsType<InMemoryTransport>(host.Services.GetRequiredService<JobTransport>());
        await host.StartAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public void A_class_without_tasks_is_refused_by_name() =>
        Assert.Contains(nameof(StartupTests), Assert.Throws<ArgumentException>(() => Build(jobs => jobs.AddTasks<StartupTests>())).Message, StringComparison.Ordinal);

    static KeyValuePair<string, string?>[] Settings(params (string Key, string Value)[] settings) => [.. settings.Select(s => new KeyValuePair<string, string?>(s.Key, s.Value))];

    static IHost Build(Action<JobsBuilder> configure)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Services.AddJobs(configure);
        return builder.Build();
    }
}
