using System.Net;
using System.Text.RegularExpressions;
using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.Contracts;
using Microsoft.Extensions.DependencyInjection;

namespace Jobs.DashboardTests;

/// <summary>What the pages say of a worker and its jobs. <see cref="ActionTests"/> has what one can do there.</summary>
public abstract class PageTests
{
    /// <summary>A queue that no other test uses.</summary>
    protected string Queue { get; } = TestBroker.NewName("dashboard");

    protected abstract Action<JobsBuilder>? Transport { get; }

    protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    protected Task<DashboardApp> StartAsync() => DashboardApp.StartAsync(new()
    {
        Transport = Transport,
        Queue = Queue,
        Jobs = jobs => jobs.Configure(o => o.Events = EventLevel.All),
        Services = services => services.Configure<WorkerOptions>(worker => worker.Concurrency = 3),
    });

    [Fact]
    public async Task A_job_that_runs_is_on_now_queues_workers_and_jobs_until_it_ends()
    {
        await using var app = await StartAsync();
        var job = await app.Dispatcher.EnqueueAsync(FeedJobs.Watch("football"), Cancellation);

        var now = await app.PageWithAsync("", "It works. 1 job runs at the moment.");
        Assert.Contains("1 of 3 slots in use", now, StringComparison.Ordinal);
        Assert.Contains(job.Id, await app.PageWithAsync("", "feeds.watch"), StringComparison.Ordinal);
        var queues = await app.PageWithAsync("queues", "data-label=\"Running\"><div><span class=\"number\">1</span>");
        Assert.Contains(Queue, queues, StringComparison.Ordinal);
        Assert.Contains("data-label=\"Workers\"><div><span class=\"number\">1</span>", queues, StringComparison.Ordinal);
        var workers = await app.PageWithAsync("workers", "1 running job");
        var ofWorker = Regex.Match(workers, "href=\"(jobs\\?worker=[^\"]+)\"").Groups[1].Value;
        Assert.Contains(job.Id, await app.PageWithAsync(ofWorker, "Only jobs of worker"), StringComparison.Ordinal);
        Assert.Contains(job.Id, workers, StringComparison.Ordinal);
        Assert.Contains(">alive<", workers, StringComparison.Ordinal);
        Assert.Contains($"process {Environment.ProcessId}", workers, StringComparison.Ordinal);
        Assert.Contains($"<bdi>{Queue}</bdi>", workers, StringComparison.Ordinal);
        app.Feeds.Release.SetResult();

        await app.PageWithAsync("", "No job runs at the moment.");
        await app.PageWithAsync("", "<b class=\"big\">1</b> done");
        await app.PageWithAsync("queues", "1 done, 0 dead");
        await app.PageWithAsync("workers", "1 job taken");
    }

    [Fact]
    public async Task The_page_of_a_job_has_its_attempts_arguments_result_and_chain()
    {
        await using var app = await StartAsync();
        var chain = await app.Dispatcher.EnqueueAsync(FeedJobs.Stumble("cricket").Then(FeedSteps.Store()), Cancellation);
        await app.JobAsync(chain.Id, JobState.Succeeded);
        JobInfo? last = null;
        await Wait.Until(async () => (last = await app.Inspector.GetJobAsync(chain.Id, Cancellation)) is { ParentId: not null, AttemptCount: 1 });

        var first = await app.PageWithAsync($"job?id={last!.ParentId}", "Attempt 2");
        var second = await app.PageWithAsync($"job?id={last.Id}", "Attempt 1");

        Assert.Contains("InvalidOperationException: the feed is away", first, StringComparison.Ordinal);
        Assert.Contains("&quot;cricket&quot;", first, StringComparison.Ordinal);
        Assert.Contains("read cricket", first, StringComparison.Ordinal);
        Assert.Contains($"Has enqueued 1</dt><dd><ul class=\"plain\"><li><a class=\"id\" href=\"job?id={last.Id}\"", first, StringComparison.Ordinal);
        Assert.Contains($"Enqueued by</dt><dd><a class=\"id\" href=\"job?id={last.ParentId}\"", second, StringComparison.Ordinal);
        Assert.Contains("<h2>Chain</h2>", second, StringComparison.Ordinal);
        Assert.Contains("feeds.stumble", second, StringComparison.Ordinal);
        Assert.Contains("""<code>12</code>""", second, StringComparison.Ordinal); // the length of "read cricket"
    }

    [Fact]
    public async Task A_delayed_job_is_listed_with_its_time_where_the_transport_can_list_it()
    {
        await using var app = await StartAsync();
        var job = FeedJobs.Fetch("cricket") with { Delay = TimeSpan.FromHours(3) };
        var id = (await app.Dispatcher.EnqueueAsync(job, Cancellation)).Id;
        Assert.Contains("href=\"delayed\"", await app.PageAsync("queues"), StringComparison.Ordinal);

        if (app.Inspector.Capabilities.HasFlag(InspectionCapabilities.DelayedJobs))
        {
            var page = await app.PageWithAsync("delayed", id);
            Assert.Contains(">in 2 h 59 min<", page, StringComparison.Ordinal);
            Assert.Contains("feeds.fetch", page, StringComparison.Ordinal);
        }
        else
        {
            await app.PageWithAsync("delayed", "This transport cannot list them");
        }
    }

    [Fact]
    public async Task Jobs_are_found_by_task_state_error_queue_id_and_time_and_not_by_others()
    {
        await using var app = await StartAsync();
        app.Feeds.Says = "no route to cricket";
        var dead = await app.DeadAsync(FeedJobs.Fetch("cricket"));
        var done = await app.Dispatcher.EnqueueAsync(FeedJobs.Store("text"), Cancellation);
        await app.JobAsync(done.Id, JobState.Succeeded);
        await app.PageWithAsync("jobs", done.Id);

        string[] ofDead =
            ["task=feeds.f*", "state=dead", "error=no+route", "type=InvalidOperationException", "args=cricket", $"id={dead}", $"q={dead}", "q=cricket"];
        foreach (var search in ofDead)
        {
            var page = await app.PageAsync($"jobs?{search}");
            Assert.True(page.Contains($"href=\"job?id={dead}\"", StringComparison.Ordinal), search);
            Assert.False(page.Contains($"href=\"job?id={done.Id}\"", StringComparison.Ordinal), search);
        }

        Assert.Contains(done.Id, await app.PageAsync($"jobs?queue={Queue}&state=succeeded&from=2020-01-01T00:00:00"), StringComparison.Ordinal);
        Assert.Contains("No job is like this", await app.PageAsync($"jobs?queue={Queue}&to=2020-01-01T00:00:00"), StringComparison.Ordinal);
        Assert.Contains("No job is like this", await app.PageAsync("jobs?queue=another"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_job_that_nobody_knows_is_not_found_and_the_page_says_why()
    {
        await using var app = await StartAsync();

        using var answer = await app.GetAsync($"job?id={Guid.NewGuid()}");

        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.Contains("Nobody has heard of this job", await answer.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
    }
}

public sealed class SqlitePageTests : PageTests
{
    protected override Action<JobsBuilder>? Transport => null;

    // Over RabbitMQ only the caller hears of progress: see JobInfo.Progress.
    [Fact]
    public async Task A_long_job_tells_how_far_it_is()
    {
        await using var app = await StartAsync();
        var job = await app.Dispatcher.EnqueueAsync(FeedJobs.Copy("cricket"), Cancellation);
        await app.JobAsync(job.Id, JobState.Running);

        Assert.Contains("page 2 of cricket", await app.PageWithAsync($"job?id={job.Id}", "40 %"), StringComparison.Ordinal);
        app.Feeds.Release.SetResult();

        await app.JobAsync(job.Id, JobState.Succeeded);
        await Wait.Until(async () => !(await app.PageAsync($"job?id={job.Id}")).Contains("40 %", StringComparison.Ordinal));
    }
}

public sealed class RabbitMqPageTests(BrokerFixture brokers) : PageTests
{
    protected override Action<JobsBuilder>? Transport => new OnRabbitMq(brokers).Transport;
}
