using System.Net;
using Jobs.Dashboard;
using Microsoft.Extensions.DependencyInjection;

namespace Jobs.DashboardTests;

/// <summary>A page that got no answer says so, and does not say that all is well or that nothing is there.</summary>
public sealed class NoAnswerTests
{
    readonly ScriptedInspector inspector = new();

    [Fact]
    public async Task A_job_that_nobody_could_be_asked_about_is_not_called_unknown()
    {
        await using var app = await StartAsync();
        inspector.Job = _ => throw new JobTransportException("The broker is away.");

        var page = await app.PageAsync("job?id=1");

        Assert.Contains("The broker is away.", page, StringComparison.Ordinal);
        Assert.DoesNotContain("Nobody has heard of this job", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_works_is_not_said_when_a_question_failed()
    {
        await using var app = await StartAsync();
        inspector.Workers = () => Task.FromResult<IReadOnlyList<WorkerInfo>>([new() { Name = "w@host", IsAlive = true }]);
        Assert.Contains("It works.", await app.PageAsync(""), StringComparison.Ordinal);

        inspector.Queues = () => throw new JobTransportException("The broker is away.");
        var page = await app.PageWithAsync("", "The broker is away.");

        Assert.DoesNotContain("It works.", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_works_is_not_said_when_there_is_no_worker()
    {
        await using var app = await StartAsync();

        var page = await app.PageAsync("");

        Assert.Contains("No worker has been heard of", page, StringComparison.Ordinal);
        Assert.DoesNotContain("It works.", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_queue_whose_rates_nobody_knows_is_not_said_to_keep_its_length()
    {
        await using var app = await StartAsync();
        inspector.Queues = () => Task.FromResult(new QueuePage { Queues = [new() { Name = "feeds", Waiting = 7, Consumers = 1 }] });

        Assert.DoesNotContain("It keeps its length.", await app.PageAsync("queues"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_page_of_a_job_that_nobody_has_heard_of_stays_live()
    {
        await using var app = await StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(app.Dashboard, "job?id=1"));
        request.Headers.Add(DashboardHandler.FragmentHeader, "1");

        using var fragment = await app.Http.SendAsync(request, TestContext.Current.CancellationToken);
        using var page = await app.Http.GetAsync(request.RequestUri, TestContext.Current.CancellationToken);

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.NotFound), (fragment.StatusCode, page.StatusCode));
        Assert.NotNull(fragment.Headers.ETag);
    }

    [Fact]
    public async Task Arguments_that_were_cut_off_are_not_sent_until_somebody_says_that_they_are_complete()
    {
        await using var app = await StartAsync();
        inspector.Job = id => Task.FromResult(new JobInfo { Id = id, Task = "feeds.fetch", State = JobState.Succeeded, Arguments = "('a long te..." });

        var page = await app.PageAsync("job?id=1");
        using var answer = await app.PostAsync("enqueue", ("task", "feeds.fetch"), ("args", """["a long te…"]"""), ("cut", "yes"));
        using var complete = await app.PostAsync("enqueue", ("task", "feeds.fetch"), ("args", """["a long text"]"""), ("cut", "yes"), ("whole", "yes"));

        Assert.Contains("name=\"cut\" value=\"yes\"", page, StringComparison.Ordinal);
        Assert.Contains("name=\"whole\" value=\"yes\" required", page, StringComparison.Ordinal);
        Assert.Equal((HttpStatusCode.BadRequest, HttpStatusCode.SeeOther), (answer.StatusCode, complete.StatusCode));
    }

    [Fact]
    public async Task What_may_have_been_done_all_the_same_leaves_a_line_in_the_log()
    {
        await using var app = await DashboardApp.StartAsync(new()
        {
            HasWorker = false,
            Services = services => services.AddSingleton<JobControl>(new BrokenControl()),
        });

        using var answer = await app.PostAsync("enqueue", ("task", "feeds.fetch"));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Contains("may not have been done", await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        app.MustHaveLogged(603, "enqueue: feeds.fetch; failed: The broker is away.");
    }

    [Fact]
    public void A_line_of_the_log_stays_one_line() => Assert.Equal("a b c d", DashboardHandler.Clean("a\nb\u2028c\u202ed"));

    Task<DashboardApp> StartAsync() =>
        DashboardApp.StartAsync(new() { HasWorker = false, Services = services => services.AddSingleton<JobInspector>(inspector) });

    sealed class BrokenControl : JobControl
    {
        public override Task<DeadLetterRequest> RetryDeadLettersAsync(
            DeadLetterQuery query, DeadLetterRetry? options = null, CancellationToken cancellationToken = default) => throw Away;

        public override Task<DeadLetterRequest> DeleteDeadLettersAsync(
            DeadLetterQuery query, bool wait = true, CancellationToken cancellationToken = default) => throw Away;

        public override Task<JobHandle> EnqueueAsync(Job job, CancellationToken cancellationToken = default) => throw Away;

        public override Task<DeadLetterRequest?> GetRequestAsync(string id, CancellationToken cancellationToken = default) => throw Away;

        static JobTransportException Away => new("The broker is away.");
    }
}
