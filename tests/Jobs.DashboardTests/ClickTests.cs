using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Microsoft.Playwright;

namespace Jobs.DashboardTests;

/// <summary>Each button is clicked in a real browser, and what it promises comes true.</summary>
public abstract class ClickTests(BrowserFixture browser)
{
    protected abstract AppSetup Setup { get; }

    [Fact]
    public async Task Letters_that_are_selected_go_back_or_are_deleted_after_a_question()
    {
        await using var app = await DashboardApp.StartAsync(Setup);
        var (one, other) = (await app.DeadAsync(FeedJobs.Fetch("one")), await app.DeadAsync(FeedJobs.Fetch("other")));
        var third = await app.DeadAsync(FeedJobs.Fetch("third"));
        app.Feeds.Work = true;
        await using var reader = await OpenAsync(app, "dead");

        await reader.SelectAsync(one);
        await reader.PressAsync("Delete selected");
        await reader.SeeAsync("Delete 1 dead letter?");
        await reader.PressAsync("Delete 1");
        await reader.SeeAsync("1 of 1 deleted");
        await reader.GoAsync("Dead letters");
        await reader.SelectAsync(other);
        await reader.PressAsync("Retry selected");
        await reader.SeeAsync("1 of 1 sent back");

        await app.JobAsync(other, JobState.Succeeded);
        Assert.Equal(third, Assert.Single((await app.LettersAsync()).Letters).Id);
    }

    [Fact]
    public async Task All_letters_that_match_go_back_or_are_deleted_when_the_word_is_typed()
    {
        await using var app = await DashboardApp.StartAsync(Setup);
        await app.DeadAsync(new Job("feeds.store", [42]));
        var (one, other) = (await app.DeadAsync(FeedJobs.Fetch("one")), await app.DeadAsync(FeedJobs.Fetch("other")));
        app.Feeds.Work = true;
        await using var reader = await OpenAsync(app, "dead?task=feeds.store");

        await reader.PressAsync("Delete all 1");
        await reader.FillAsync("Type delete", "delete");
        await reader.PressAsync("Delete 1");
        await reader.SeeAsync("1 of 1 deleted");
        await reader.GoAsync("Dead letters");
        await reader.PressAsync("Retry all 2");
        await reader.SeeAsync("2 of 2 sent back");

        await app.JobAsync(one, JobState.Succeeded);
        await app.JobAsync(other, JobState.Succeeded);
        Assert.Equal(0, (await app.LettersAsync()).Total);
    }

    [Fact]
    public async Task Jobs_of_a_search_go_back_together_and_are_deleted_together()
    {
        await using var app = await DashboardApp.StartAsync(Setup);
        var (cricket, football) = (await app.DeadAsync(FeedJobs.Fetch("cricket")), await app.DeadAsync(FeedJobs.Fetch("football")));
        var tennis = await app.DeadAsync(FeedJobs.Fetch("tennis"));
        foreach (var name in (string[])["cricket", "football", "tennis"])
        {
            await app.PageWithAsync($"jobs?args={name}", "Retry all dead jobs that match");
        }

        app.Feeds.Work = true;
        await using var reader = await OpenAsync(app, "jobs");

        await reader.FillAsync("Arguments", "cricket");
        await reader.PressAsync("Search");
        await reader.PressAsync("Retry all dead jobs that match");
        await reader.SeeAsync("1 of 1 sent back");
        await app.JobAsync(cricket, JobState.Succeeded);
        await reader.OpenAsync("jobs?args=tennis");
        await reader.PressAsync("Delete all dead jobs that match");
        await reader.FillAsync("Type delete", "delete");
        await reader.PressAsync("Delete 1");
        await reader.SeeAsync("1 of 1 deleted");

        Assert.Equal(football, Assert.Single((await app.LettersAsync()).Letters).Id);
        Assert.Equal(0, (await app.LettersAsync(new() { Ids = [tennis] })).Total);
    }

    [Fact]
    public async Task A_dead_job_goes_back_with_other_arguments_and_is_enqueued_again()
    {
        await using var app = await DashboardApp.StartAsync(Setup);
        var id = await app.DeadAsync(FeedJobs.Fetch("criket"));
        await app.PageWithAsync($"job?id={id}", "&quot;criket&quot;");
        app.Feeds.Work = true;
        await using var reader = await OpenAsync(app, $"job?id={id}");

        await reader.UnfoldAsync("Retry with other arguments, or enqueue again");
        await reader.FillAsync("Arguments, a JSON array", """["cricket"]""");
        await reader.PressAsync("Retry this job with these arguments");
        await reader.SeeAsync("1 of 1 sent back");
        Assert.Contains("read cricket", (await app.JobAsync(id, JobState.Succeeded)).Result, StringComparison.Ordinal);
        await reader.OpenAsync($"job?id={id}");
        await reader.UnfoldAsync("Enqueue again");
        await reader.FillAsync("Arguments, a JSON array", """["football"]""");
        await reader.PressAsync("Enqueue a new job");
        await reader.SeeAsync("read football");

        Assert.DoesNotContain(id, reader.Address, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failure_goes_back_or_is_deleted_from_the_page_of_its_job_and_of_its_group()
    {
        await using var app = await DashboardApp.StartAsync(Setup);
        var (one, other) = (await app.DeadAsync(FeedJobs.Fetch("one")), await app.DeadAsync(FeedJobs.Fetch("other")));
        await app.PageWithAsync("failures", "Retry all 2");
        await using var reader = await OpenAsync(app, $"job?id={other}");

        await reader.PressAsync("Delete");
        await reader.PressAsync("Delete 1");
        await reader.SeeAsync("1 of 1 deleted");
        app.Feeds.Work = true;
        await reader.GoAsync("Failures");
        await reader.PressAsync("Retry the dead job");
        await reader.SeeAsync("1 of 1 sent back");

        await app.JobAsync(one, JobState.Succeeded);
        Assert.Equal(0, (await app.LettersAsync()).Total);
    }

    [Fact]
    public async Task A_schedule_is_run_now_paused_resumed_added_changed_and_undone()
    {
        await using var app = await DashboardApp.StartAsync(Setup);
        await app.PageWithAsync("schedules", "feeds.prune");
        await using var reader = await OpenAsync(app, "schedules");

        await reader.PressAsync("Run now prune");
        await reader.SeeAsync("succeeded");
        await reader.OpenAsync("schedules");
        await reader.PressAsync("Pause prune");
        await reader.PressAsync("Resume prune");
        await reader.SeeButtonAsync("Pause prune");
        await reader.GoAsync("Add a schedule");
        await reader.FillAsync("Name", "evening");
        await reader.FillAsync("Task", "feeds.store");
        await reader.FillAsync("Cron expression, or an interval", "0 20 * * *");
        await reader.FillAsync("Arguments, a JSON array", """["text"]""");
        await reader.PressAsync("Save");
        await reader.SeeAsync("0 20 * * *");
        await reader.GoAsync("Change");
        await reader.FillAsync("Cron expression, or an interval", "01:30:00");
        await reader.PressAsync("Save");
        await reader.SeeAsync("01:30:00");
        await reader.PressAsync("Undo evening");
        await reader.SeeNoMoreAsync("evening");
    }

    async Task<Reader> OpenAsync(DashboardApp app, string page)
    {
        var reader = new Reader(app.Dashboard, await browser.VisitAsync(ColorScheme.Light, 1280));
        await reader.OpenAsync(page);
        return reader;
    }

    sealed class Reader(Uri dashboard, BrowserVisit visit) : IAsyncDisposable
    {
        static readonly LocatorAssertionsToContainTextOptions patience = new() { Timeout = 30_000 };

        public string Address => visit.Page.Url;

        ILocator Main => visit.Page.Locator("main");

        public Task OpenAsync(string page) => visit.Page.GotoAsync(new Uri(dashboard, page).ToString());

        public Task GoAsync(string link) => Main.GetByRole(AriaRole.Link, new() { Name = link, Exact = true }).First.ClickAsync();

        public Task PressAsync(string button) => Main.GetByRole(AriaRole.Button, new() { Name = button, Exact = true }).ClickAsync();

        public Task SeeButtonAsync(string button) =>
            Assertions.Expect(Main.GetByRole(AriaRole.Button, new() { Name = button, Exact = true })).ToBeVisibleAsync(new() { Timeout = 30_000 });

        public Task SelectAsync(string id) => Main.Locator($"input[name=ids][value='{id}']").CheckAsync();

        public Task UnfoldAsync(string summary) => Main.GetByText(summary, new() { Exact = true }).ClickAsync();

        public Task FillAsync(string label, string text) => Main.GetByRole(AriaRole.Textbox, new() { Name = label, Exact = true }).FillAsync(text);

        public Task SeeAsync(string text) => Assertions.Expect(Main).ToContainTextAsync(text, patience);

        public Task SeeNoMoreAsync(string text) => Assertions.Expect(Main).Not.ToContainTextAsync(text, patience);

        public async ValueTask DisposeAsync()
        {
            visit.MustBeQuiet(Address);
            await visit.DisposeAsync();
        }
    }
}

public sealed class SqliteClickTests(BrowserFixture browser) : ClickTests(browser)
{
    protected override AppSetup Setup { get; } = new();
}

public sealed class RabbitMqClickTests(BrowserFixture browser, BrokerFixture brokers) : ClickTests(browser)
{
    protected override AppSetup Setup { get; } = new() { Transport = new OnRabbitMq(brokers).Transport, Queue = TestBroker.NewName("dashboard") };
}
