using System.Globalization;
using Deque.AxeCore.Commons;
using Deque.AxeCore.Playwright;
using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.Contracts;
using Microsoft.Playwright;

[assembly: AssemblyFixture(typeof(Jobs.DashboardTests.BrowserFixture))]

namespace Jobs.DashboardTests;

/// <summary>What a person sees, in a real browser.</summary>
public sealed class BrowserTests(BrowserFixture browser, BrokerFixture brokers)
{
    static readonly string[] pages = ["", "failures", "queues", "delayed", "jobs", "workers", "schedules", "schedule", "dead"];

    [Theory]
    [InlineData(ColorScheme.Light, 1280)]
    [InlineData(ColorScheme.Dark, 1280)]
    [InlineData(ColorScheme.Light, 360)]
    [InlineData(ColorScheme.Dark, 360)]
    [InlineData(ColorScheme.Light, 1600)]
    public async Task Every_page_is_accessible_and_as_wide_as_the_window(ColorScheme scheme, int width)
    {
        await using var app = await BusyAsync();

        await LookAtEveryPageAsync(app, scheme, width, "");
    }

    [Fact]
    public async Task Over_RabbitMQ_every_page_is_accessible_and_as_wide_as_the_window()
    {
        await using var app = await BusyAsync(new() { Transport = new OnRabbitMq(brokers).Transport, Queue = TestBroker.NewName("dashboard") });

        await LookAtEveryPageAsync(app, ColorScheme.Light, 1280, "-rabbitmq");
    }

    async Task LookAtEveryPageAsync(DashboardApp app, ColorScheme scheme, int width, string suffix)
    {
        var dead = (await app.LettersAsync()).Letters[0].Id;
        using var retry = await app.PostAsync("retry-dead", ("ids", dead));
        await using var visit = await browser.VisitAsync(scheme, width);

        foreach (var path in pages.Concat([$"job?id={dead}", $"request?id={DashboardApp.IdOf(retry)}"]))
        {
            await visit.Page.GotoAsync(new Uri(app.Dashboard, path).ToString());
            await visit.ShootAsync($"{(path.Length == 0 ? "now" : path.Split('?')[0])}-{scheme}-{width}{suffix}".ToLowerInvariant());

            var found = await visit.Page.RunAxe();
            Assert.True(found.Violations.Length == 0, $"{path}: {string.Join("\n", found.Violations.Select(Text))}");
            Assert.Equal(width, await visit.Page.EvaluateAsync<int>("document.documentElement.scrollWidth"));
            visit.MustBeQuiet(path);
        }
    }

    [Fact]
    public async Task Hostile_names_arguments_and_errors_stay_text_on_every_page()
    {
        const string Hostile = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script><svg/onload=alert(3)>&lt;b&gt;{{7*7}}\u202e";
        await using var app = await DashboardApp.StartAsync();
        app.Feeds.Says = Hostile;
        var options = new Dictionary<string, string> { [Hostile] = Hostile };
        var id = await app.DeadAsync(new Job("feeds.fetch", [Hostile], new Dictionary<string, object?> { ["options"] = options }));
        var odd = await app.DeadAsync(new Job("feeds.store", [42]) with { Id = $"{Hostile}{Guid.NewGuid()}" });
        await app.JobAsync(id, JobState.Dead);
        await using var visit = await browser.VisitAsync(ColorScheme.Light, 1280);

        var hostile = Uri.EscapeDataString(Hostile);
        string[] addresses =
        [
            .. pages,
            $"job?id={id}",
            $"job?id={Uri.EscapeDataString(odd)}",
            $"jobs?q={hostile}",
            $"jobs?args={hostile}&task={hostile}&type={hostile}",
            $"dead?text={hostile}",
            $"failures?task={hostile}",
            $"schedule?name={hostile}",
            $"request?id={hostile}",
        ];
        foreach (var path in addresses)
        {
            await visit.Page.GotoAsync(new Uri(app.Dashboard, path).ToString());

            Assert.Equal(0, await visit.Page.Locator("img, main script, main svg[onload], [onerror]").CountAsync());
            visit.MustBeQuiet(path);
        }

        await visit.Page.GotoAsync(new Uri(app.Dashboard, $"job?id={id}").ToString());
        Assert.Contains("<img src=x onerror=alert(1)>", await visit.Page.Locator("#live .failure .message").First.InnerTextAsync(), StringComparison.Ordinal);
        Assert.Contains("<script>alert(2)</script>", await visit.Page.Locator("#live pre.value").First.InnerTextAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_page_changes_by_itself_and_keeps_what_the_reader_has_in_hand()
    {
        await using var app = await DashboardApp.StartAsync();
        await using var visit = await browser.VisitAsync(ColorScheme.Light, 1280);
        await visit.Page.GotoAsync(new Uri(app.Dashboard, "dead").ToString());
        await Assertions.Expect(visit.Page.Locator("#live")).ToContainTextAsync("No job is dead");

        var id = await app.DeadAsync(FeedJobs.Fetch("cricket"));

        await Assertions.Expect(visit.Page.Locator("#live")).ToContainTextAsync(id, new() { Timeout = 30_000 });
        await visit.Page.Locator("input[name=ids]").CheckAsync();
        var other = await app.DeadAsync(FeedJobs.Fetch("football"));
        Assert.True(await visit.Page.Locator("input[name=ids]").First.IsCheckedAsync()); // what the reader has selected stays
        await visit.Page.Locator("input[name=ids]").UncheckAsync();
        await visit.Page.Locator("h1").ClickAsync();
        await Assertions.Expect(visit.Page.Locator("#live")).ToContainTextAsync(other, new() { Timeout = 30_000 });
        visit.MustBeQuiet("dead");
    }

    [Fact]
    public async Task Without_a_script_a_failure_is_found_understood_and_retried_in_three_clicks()
    {
        await using var app = await DashboardApp.StartAsync();
        var id = await app.DeadAsync(FeedJobs.Fetch("cricket"));
        await app.PageWithAsync("failures", "Retry the dead job");
        app.Feeds.Work = true;
        await using var visit = await browser.VisitAsync(ColorScheme.Light, 1280, hasScript: false);
        await visit.Page.GotoAsync(app.Dashboard.ToString());

        await visit.Page.GetByRole(AriaRole.Link, new() { Name = "Failures", Exact = true }).First.ClickAsync();
        Assert.Contains("the feed is away", await visit.Page.Locator("#live").InnerTextAsync(), StringComparison.Ordinal);
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Retry the dead job" }).ClickAsync();

        Assert.Contains("/request?", visit.Page.Url, StringComparison.Ordinal);
        await app.JobAsync(id, JobState.Succeeded);
        await visit.Page.GotoAsync(new Uri(app.Dashboard, "jobs").ToString());
        await visit.Page.GetByLabel("Arguments").FillAsync("cricket");
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Search" }).ClickAsync();
        await visit.Page.Locator("#live a.id").First.ClickAsync();
        Assert.Contains(id, visit.Page.Url, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Everything_can_be_reached_with_the_keyboard()
    {
        await using var app = await BusyAsync();
        await using var visit = await browser.VisitAsync(ColorScheme.Light, 1280);
        await visit.Page.GotoAsync(new Uri(app.Dashboard, "dead").ToString());

        await visit.Page.Keyboard.PressAsync("Tab");
        Assert.Equal("Skip to the content", await visit.Page.EvaluateAsync<string>("document.activeElement.textContent"));
        await visit.Page.Keyboard.PressAsync("Enter");
        Assert.Equal("main", await visit.Page.EvaluateAsync<string>("document.activeElement.id"));
        var reached = new List<string>();
        for (var i = 0; i < 60 && !reached.Contains("Delete all 2"); i++)
        {
            await visit.Page.Keyboard.PressAsync("Tab");
            reached.Add(await visit.Page.EvaluateAsync<string>("document.activeElement.textContent.trim()"));
        }

        Assert.Contains("Retry selected", reached);
        Assert.Contains("Delete all 2", reached);
    }

    [Fact]
    public async Task Times_are_in_the_zone_of_the_reader_and_exact_when_pointed_at()
    {
        await using var app = await DashboardApp.StartAsync();
        await app.DeadAsync(FeedJobs.Fetch("cricket"));
        await app.PageWithAsync("dead", "1 dead letter");
        await using var visit = await browser.VisitAsync(ColorScheme.Light, 1280, zone: "Asia/Kathmandu"); // +05:45
        await visit.Page.GotoAsync(new Uri(app.Dashboard, "dead").ToString());

        var time = visit.Page.Locator("table time").First;

        var at = DateTimeOffset.Parse((await time.GetAttributeAsync("datetime"))!, CultureInfo.InvariantCulture);
        var there = at.ToOffset(new(5, 45, 0)).ToString("mm:ss", CultureInfo.InvariantCulture);
        var exact = at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff", CultureInfo.InvariantCulture);
        Assert.Contains(there, await time.InnerTextAsync(), StringComparison.Ordinal);
        Assert.Contains(exact, await time.GetAttributeAsync("title"), StringComparison.Ordinal);
    }

    static string Text(AxeResultItem violation) => $"{violation.Id}: {violation.Help}: {string.Join(" | ", violation.Nodes.Select(node => node.Html))}";

    // A site with something on every page.
    static async Task<DashboardApp> BusyAsync(AppSetup? setup = null)
    {
        var app = await DashboardApp.StartAsync(setup);
        await app.DeadAsync(FeedJobs.Fetch("cricket", new Dictionary<string, string> { ["password"] = "hunter2", ["page"] = "1" }));
        await app.DeadAsync(new Job("feeds.store", [42]));
        await app.Dispatcher.EnqueueAsync(FeedJobs.Watch("football"), TestContext.Current.CancellationToken);
        await app.PageWithAsync("", "feeds.watch");
        await app.PageWithAsync("failures", "Retry the dead job");
        await app.PageWithAsync("dead", "2 dead letters");
        await app.PageWithAsync("queues", "Last hour");
        await app.PageWithAsync("schedules", "prune");
        return app;
    }
}
