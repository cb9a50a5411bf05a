using System.Net;
using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.Contracts;

namespace Jobs.DashboardTests;

/// <summary>What a visitor does, from the form to the job that runs.</summary>
public abstract class ActionTests
{
    /// <summary>A queue that no other test uses.</summary>
    protected string Queue { get; } = TestBroker.NewName("dashboard");

    protected abstract Action<JobsBuilder>? Transport { get; }

    Task<DashboardApp> StartAsync() => DashboardApp.StartAsync(new() { Transport = Transport, Queue = Queue });

    [Fact]
    public async Task A_failure_is_found_understood_and_retried()
    {
        await using var app = await StartAsync();
        var id = await app.DeadAsync(FeedJobs.Fetch("cricket"));
        var failures = await app.PageWithAsync("failures?since=hour", "Retry the dead job");
        Assert.Contains("InvalidOperationException", failures, StringComparison.Ordinal);
        Assert.Contains("the feed is away", failures, StringComparison.Ordinal);
        var group = Assert.Single((await app.Inspector.FailuresAsync(new(), TestContext.Current.CancellationToken)).Groups);
        Assert.Contains("FeedTasks.Fetch", await app.PageAsync($"job?id={id}"), StringComparison.Ordinal);
        app.Feeds.Work = true;

        using var answer = await app.PostAsync("retry-dead", ("all", "yes"), ("type", group.Type), ("frame", group.Frame));

        await app.PageWithAsync($"request?id={DashboardApp.IdOf(answer)}&of=1", "<b>1</b> of 1 sent back");
        await app.JobAsync(id, JobState.Succeeded);
        app.MustHaveLogged(603, "retry dead letters", "(1)");
    }

    [Fact]
    public async Task Selected_letters_are_deleted_after_a_question_and_the_others_stay()
    {
        await using var app = await StartAsync();
        var (one, other) = (await app.DeadAsync(FeedJobs.Fetch("one")), await app.DeadAsync(FeedJobs.Fetch("other")));
        await app.PageWithAsync("dead", "2 dead letters");

        using var question = await app.PostAsync("delete-dead", ("ids", one));
        Assert.Contains("Delete 1 dead letter?", await question.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.Equal(2, (await app.LettersAsync()).Total);
        using var answer = await app.PostAsync("delete-dead", ("ids", one), ("confirm", "delete"));

        await app.PageWithAsync($"request?id={DashboardApp.IdOf(answer)}", "1</b> deleted");
        Assert.Equal(other, Assert.Single((await app.LettersAsync()).Letters).Id);
    }

    [Fact]
    public async Task All_that_match_are_deleted_when_the_word_is_typed_and_the_others_stay()
    {
        await using var app = await StartAsync();
        await app.DeadAsync(FeedJobs.Fetch("one"));
        var store = await app.DeadAsync(new Job("feeds.store", [42]));

        using var question = await app.PostAsync("delete-dead", ("all", "yes"), ("task", "feeds.fetch"), ("confirm", "no"));
        var asks = await question.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.Contains("Type <b>delete</b>", asks, StringComparison.Ordinal);
        Assert.Contains("name=\"task\" value=\"feeds.fetch\"", asks, StringComparison.Ordinal);
        Assert.Equal(2, (await app.LettersAsync()).Total);
        using var answer = await app.PostAsync("delete-dead", ("all", "yes"), ("task", "feeds.fetch"), ("confirm", "delete"));

        await app.PageWithAsync($"request?id={DashboardApp.IdOf(answer)}", "1</b> deleted");
        Assert.Equal(store, Assert.Single((await app.LettersAsync()).Letters).Id);
        app.MustHaveLogged(603, "delete dead letters", "task feeds.fetch", "(1)");
    }

    [Fact]
    public async Task All_that_match_go_back_and_the_others_stay()
    {
        await using var app = await StartAsync();
        var (fetch, store) = (await app.DeadAsync(FeedJobs.Fetch("cricket")), await app.DeadAsync(new Job("feeds.store", [42])));
        app.Feeds.Work = true;

        using var answer = await app.PostAsync("retry-dead", ("all", "yes"), ("task", "feeds.fetch"));

        await app.PageWithAsync($"request?id={DashboardApp.IdOf(answer)}", "1</b> sent back");
        await app.JobAsync(fetch, JobState.Succeeded);
        Assert.Equal(store, Assert.Single((await app.LettersAsync()).Letters).Id);
    }

    [Fact]
    public async Task Dead_jobs_that_a_search_finds_by_their_arguments_go_back_together()
    {
        await using var app = await StartAsync();
        var (cricket, football) = (await app.DeadAsync(FeedJobs.Fetch("cricket")), await app.DeadAsync(FeedJobs.Fetch("football")));
        Assert.DoesNotContain(football, await app.PageWithAsync("jobs?args=cricket", cricket), StringComparison.Ordinal);
        await app.PageWithAsync("jobs?args=football", football);
        app.Feeds.Work = true;

        using var answer = await app.PostAsync("retry-dead", ("found", "yes"), ("query.args", "cricket"));

        await app.PageWithAsync($"request?id={DashboardApp.IdOf(answer)}", "1</b> sent back");
        await app.JobAsync(cricket, JobState.Succeeded);
        Assert.Equal(football, Assert.Single((await app.LettersAsync()).Letters).Id);
    }

    [Fact]
    public async Task A_dead_job_goes_back_with_other_arguments()
    {
        await using var app = await StartAsync();
        var id = await app.DeadAsync(FeedJobs.Fetch("criket"));
        Assert.Contains("Retry this job with these arguments", await app.PageWithAsync($"job?id={id}", "&quot;criket&quot;"), StringComparison.Ordinal);
        app.Feeds.Work = true;

        using var answer = await app.PostAsync("retry-dead", ("ids", id), ("args", """["cricket"]"""), ("kwargs", "{}"));

        DashboardApp.IdOf(answer);
        Assert.Contains("read cricket", (await app.JobAsync(id, JobState.Succeeded)).Result, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_job_is_enqueued_again_with_other_arguments()
    {
        await using var app = await StartAsync();
        app.Feeds.Work = true;

        using var answer = await app.PostAsync("enqueue", ("task", "feeds.fetch"), ("args", """["football"]"""), ("kwargs", """{"options": {"a": "b"}}"""));

        Assert.Contains("read football 1", (await app.JobAsync(DashboardApp.IdOf(answer), JobState.Succeeded)).Result, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[1", "{}")]
    [InlineData("{}", "{}")]
    [InlineData("[]", "[]")]
    [InlineData("""["***"]""", "{}")]
    [InlineData("""["…"]""", "{}")]
    public async Task Arguments_that_are_wrong_or_hidden_are_refused(string args, string kwargs)
    {
        await using var app = await StartAsync();
        var id = await app.DeadAsync(FeedJobs.Fetch("cricket"));

        using var enqueue = await app.PostAsync("enqueue", ("task", "feeds.fetch"), ("args", args), ("kwargs", kwargs));
        using var retry = await app.PostAsync("retry-dead", ("ids", id), ("args", args), ("kwargs", kwargs));

        Assert.Equal((HttpStatusCode.BadRequest, HttpStatusCode.BadRequest), (enqueue.StatusCode, retry.StatusCode));
        Assert.Equal(1, (await app.LettersAsync()).Total);
    }

    [Fact]
    public async Task A_schedule_is_run_now_paused_resumed_added_changed_and_undone()
    {
        await using var app = await StartAsync();
        await app.PageWithAsync("schedules", "feeds.prune");

        using var run = await app.PostAsync("schedule-run-now", ("name", "prune"));
        await app.JobAsync(DashboardApp.IdOf(run), JobState.Succeeded);
        await PostAsync(app, "schedule-pause", ("name", "prune"));
        await app.PageWithAsync("schedules", ">paused<");
        await PostAsync(app, "schedule-resume", ("name", "prune"));
        await Wait.Until(async () => !(await app.PageAsync("schedules")).Contains(">paused<", StringComparison.Ordinal));
        await PostAsync(
            app, "schedule-set", ("new", "yes"), ("name", "evening"), ("task", "feeds.store"),
            ("timing", "0 20 * * *"), ("zone", "Europe/Berlin"), ("args", """["text"]"""));
        Assert.Contains("Europe/Berlin", await app.PageWithAsync("schedules", "evening"), StringComparison.Ordinal);
        Assert.Contains("[&quot;text&quot;]", await app.PageWithAsync("schedule?name=evening", "0 20 * * *"), StringComparison.Ordinal);
        await PostAsync(app, "schedule-set", ("name", "evening"), ("task", "feeds.store"), ("timing", "01:30:00"), ("args", """["text"]"""));
        await app.PageWithAsync("schedule?name=evening", "01:30:00");
        await PostAsync(app, "schedule-remove", ("name", "evening"));
        await Wait.Until(async () => !(await app.PageAsync("schedules")).Contains("evening", StringComparison.Ordinal));
        Assert.Equal(6, app.Logs.All.Count(line => line.Event == 603));
    }

    [Fact]
    public async Task A_schedule_that_cannot_be_is_refused_with_a_reason_and_what_was_filled_in()
    {
        await using var app = await StartAsync();

        using var answer = await app.PostAsync(
            "schedule-set", ("new", "yes"), ("name", "evening"), ("task", "feeds.store"), ("timing", "every evening"), ("args", "[]"));

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        var page = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.Contains("role=\"alert\"", page, StringComparison.Ordinal);
        Assert.Contains("value=\"every evening\"", page, StringComparison.Ordinal);
    }

    static async Task PostAsync(DashboardApp app, string action, params (string Name, string Value)[] fields)
    {
        using var answer = await app.PostAsync(action, fields);
        Assert.True(answer.StatusCode == HttpStatusCode.SeeOther, await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }
}

public sealed class SqliteActionTests : ActionTests
{
    protected override Action<JobsBuilder>? Transport => null;
}

public sealed class RabbitMqActionTests(BrokerFixture brokers) : ActionTests
{
    protected override Action<JobsBuilder>? Transport => new OnRabbitMq(brokers).Transport;
}
