using System.Diagnostics;
using System.Globalization;
using Microsoft.Playwright;

namespace Jobs.DashboardTests;

/// <summary>
/// Five things that somebody wants who has never seen the dashboard, each from the first page. The output of the test says
/// how many clicks and seconds each takes.
/// </summary>
public sealed class NewcomerTests(BrowserFixture browser, ITestOutputHelper output)
{
    [Fact]
    public async Task The_failure_of_the_last_hour_is_found_understood_and_retried_in_three_clicks()
    {
        await using var app = await DashboardApp.StartAsync();
        var id = await app.DeadAsync(FeedJobs.Fetch("cricket"));
        await app.PageWithAsync("failures", "Retry the dead job");
        await app.PageWithAsync("", "is dead: feeds.fetch");
        app.Feeds.Work = true;
        await using var visit = await browser.VisitAsync(ColorScheme.Light, 1280);
        var reader = await Reader.ComeAsync(visit.Page, app.Dashboard, output);

        await reader.SeeAsync("A job is dead: feeds.fetch");
        await reader.ClickAsync(AriaRole.Link, "See");
        await reader.SeeAsync("the feed is away");
        reader.Says("find the failure", most: 1);
        await reader.ClickAsync(AriaRole.Link, "Last job");
        await reader.SeeAsync("FeedTasks.Fetch"); // the stack
        await reader.SeeAsync("\"cricket\"");
        reader.Says("understand it", most: 2);
        await reader.ClickAsync(AriaRole.Button, "Retry");
        await reader.SeeAsync("Done.");
        reader.Says("retry it", most: 3);

        await app.JobAsync(id, JobState.Succeeded);
        visit.MustBeQuiet("a failure");
    }

    [Theory]
    [InlineData("cricket")] // an argument
    [InlineData("0f8fad5b-d9cb-469f-a165-70867728950e")] // an argument that looks like an id
    [InlineData("order-of-cricket")] // an id that looks like an argument
    public async Task A_job_is_found_by_what_somebody_knows_of_it_in_two_clicks(string known)
    {
        await using var app = await DashboardApp.StartAsync();
        await app.DeadAsync(FeedJobs.Fetch("football"));
        var job = known.StartsWith("order", StringComparison.Ordinal) ? FeedJobs.Fetch("tennis") with { Id = known } : FeedJobs.Fetch(known);
        var id = await app.DeadAsync(job);
        await app.JobAsync(id, JobState.Dead);
        await using var visit = await browser.VisitAsync(ColorScheme.Light, 1280);
        var reader = await Reader.ComeAsync(visit.Page, app.Dashboard, output);

        await visit.Page.GetByPlaceholder("Id or argument").FillAsync(known);
        await reader.ClickAsync(AriaRole.Button, "Find");
        await reader.ClickAsync(AriaRole.Link, "feeds.fetch");
        await reader.SeeAsync("the feed is away");
        reader.Says($"find the job with {known}", most: 2);

        Assert.EndsWith(id, visit.Page.Url, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Why_a_queue_grows_is_said_in_one_click()
    {
        await using var app = await DashboardApp.StartAsync();
        await app.Dispatcher.EnqueueAsync(FeedJobs.Fetch("cricket") with { Queue = "nobody" }, TestContext.Current.CancellationToken);
        await app.PageWithAsync("", "No worker takes jobs from nobody");
        await using var visit = await browser.VisitAsync(ColorScheme.Light, 1280);
        var reader = await Reader.ComeAsync(visit.Page, app.Dashboard, output);

        await reader.SeeAsync("No worker takes jobs from nobody; 1 job waits");
        await reader.ClickAsync(AriaRole.Link, "See");
        await reader.SeeAsync("No worker takes jobs from it.");
        reader.Says("see why a queue grows", most: 1);
    }

    [Fact]
    public async Task Times_of_a_search_are_those_of_the_reader_and_the_address_has_UTC()
    {
        await using var app = await DashboardApp.StartAsync();
        await using var visit = await browser.VisitAsync(ColorScheme.Light, 1280, zone: "Asia/Kathmandu"); // +05:45
        await visit.Page.GotoAsync(new Uri(app.Dashboard, "jobs?from=2026-03-01T10:00:00").ToString());

        Assert.Equal("2026-03-01T15:45", (await visit.Page.GetByLabel("From").InputValueAsync())[..16]);
        await visit.Page.GetByLabel("To").FillAsync("2026-03-02T05:45:30");
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Search" }).ClickAsync();

        Assert.Contains("from=2026-03-01T10%3A00%3A00", visit.Page.Url, StringComparison.Ordinal);
        Assert.Contains("to=2026-03-02T00%3A00%3A30", visit.Page.Url, StringComparison.Ordinal);
        Assert.Equal("2026-03-02T05:45:30", await visit.Page.GetByLabel("To").InputValueAsync());
    }

    [Fact]
    public async Task A_field_for_a_task_or_a_queue_offers_the_names_that_are_known()
    {
        await using var app = await DashboardApp.StartAsync();
        await app.DeadAsync(FeedJobs.Fetch("cricket"));

        await app.PageWithAsync("jobs", "<datalist id=\"tasks\"><option value=\"feeds.fetch\">");
        var page = await app.PageWithAsync("jobs", "<datalist id=\"queues\"><option value=\"feeds\">");

        Assert.Contains("<input name=\"task\" list=\"tasks\"", page, StringComparison.Ordinal);
    }

    // Counts the clicks of somebody who has just come.
    sealed class Reader(IPage page, ITestOutputHelper output)
    {
        readonly Stopwatch since = Stopwatch.StartNew();
        int clicks;

        public static async Task<Reader> ComeAsync(IPage page, Uri address, ITestOutputHelper output)
        {
            var reader = new Reader(page, output);
            await page.GotoAsync(address.ToString());
            return reader;
        }

        public async Task ClickAsync(AriaRole role, string name)
        {
            clicks++;
            await page.Locator("body").GetByRole(role, new() { Name = name, Exact = true }).First.ClickAsync();
        }

        public Task SeeAsync(string text) => Assertions.Expect(page.Locator("main")).ToContainTextAsync(text, new() { Timeout = 30_000 });

        public void Says(string task, int most)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{task}: clicks {clicks}, {since.Elapsed.TotalSeconds:0.0} s"));
            Assert.InRange(clicks, 0, most);
        }
    }
}
