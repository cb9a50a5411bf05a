using System.Collections.Concurrent;
using Jobs.Contracts;
using Microsoft.Playwright;

namespace Jobs.DashboardTests;

/// <summary>When an open page asks for what has changed. The clock of the page stands, and the test moves it on.</summary>
public sealed class LiveTests(BrowserFixture browser)
{
    // As a browser tells a page that it is in the background; the page begins there when it is opened in a new tab.
    const string Seen = """
        let isAway = AWAY;
        Object.defineProperty(document, 'hidden', { get: () => isAway });
        Object.defineProperty(document, 'visibilityState', { get: () => isAway ? 'hidden' : 'visible' });
        window.see = isSeen => { isAway = !isSeen; document.dispatchEvent(new Event('visibilitychange')); };
        """;

    static readonly DateTime noon = new(2026, 1, 1, 12, 0, 0, DateTimeKind.Utc);

    [Fact]
    public async Task A_tab_that_nobody_sees_asks_nothing_and_asks_at_once_when_it_is_seen()
    {
        await using var app = await DashboardApp.StartAsync();
        await using var visit = await browser.VisitAsync(ColorScheme.Light, 1280);
        var parts = await OpenAsync(visit, new(app.Dashboard, "dead"), isAway: true);

        await visit.Page.Clock.RunForAsync(60_000);
        await visit.Page.EvaluateAsync("see(true)"); // the clock does not move: what asks now asks at once
        await Wait.Until(() => parts.Ended == 1);
        Assert.Equal(1, parts.Begun);

        await parts.NextAsync();
        var before = parts.Begun;
        await visit.Page.EvaluateAsync("see(false)");
        await visit.Page.Clock.RunForAsync(60_000);
        await visit.Page.EvaluateAsync("see(true)");
        await Wait.Until(() => parts.Ended == before + 1);
        Assert.Equal(before + 1, parts.Begun);
        visit.MustBeQuiet("dead");
    }

    [Fact]
    public async Task A_tab_that_is_left_while_it_asks_does_not_ask_again()
    {
        await using var app = await DashboardApp.StartAsync();
        await using var visit = await browser.VisitAsync(ColorScheme.Light, 1280);
        var parts = await OpenAsync(visit, new(app.Dashboard, "dead"), isAway: false);
        await parts.NextAsync();
        var held = await parts.HoldNextAsync();

        await visit.Page.EvaluateAsync("see(false)");
        var before = parts.Begun;
        await held.ContinueAsync();
        await Wait.Until(() => parts.Ended == before);
        await visit.Page.Clock.RunForAsync(60_000);
        await visit.Page.EvaluateAsync("see(true)");

        await Wait.Until(() => parts.Ended == before + 1);
        Assert.Equal(before + 1, parts.Begun);
    }

    [Fact]
    public async Task A_page_that_does_not_change_gets_no_body_and_no_request_stays_open()
    {
        await using var app = await DashboardApp.StartAsync();
        await using var visit = await browser.VisitAsync(ColorScheme.Light, 1280);
        string[] pages = ["dead", "", "failures", "queues", "jobs", "workers", "schedules"];
        var parts = await OpenAsync(visit, new(app.Dashboard, pages[0]), isAway: false);
        foreach (var page in pages)
        {
            await visit.Page.GotoAsync(new Uri(app.Dashboard, page).ToString());
            await parts.NextAsync();
            await parts.NextAsync();
            await Wait.Until(() => parts.Open == 0, $"{page}: no request is open");
        }

        await Wait.Until(async () =>
        {
            await parts.NextAsync(); // the list of jobs is empty, and stays so
            return parts.Statuses.Contains(304);
        });
        Assert.Equal(0, parts.Sockets);
        Assert.DoesNotContain("text/event-stream", parts.Types);
    }

    [Fact]
    public async Task The_reader_can_stop_the_page_and_let_it_go_on()
    {
        await using var app = await DashboardApp.StartAsync();
        await using var visit = await browser.VisitAsync(ColorScheme.Light, 1280);
        var parts = await OpenAsync(visit, new(app.Dashboard, "dead"), isAway: false);
        await parts.NextAsync();

        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Pause" }).ClickAsync();
        var before = parts.Begun;
        await visit.Page.Clock.RunForAsync(60_000);
        await visit.Page.EvaluateAsync("see(true)"); // coming back to the tab does not end the pause
        await visit.Page.Clock.RunForAsync(60_000);
        await Assertions.Expect(visit.Page.Locator("#pulse")).ToContainTextAsync("Paused");
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Go on" }).ClickAsync();

        await Wait.Until(() => parts.Ended == before + 1);
        Assert.Equal(before + 1, parts.Begun);
    }

    [Fact]
    public async Task A_page_says_that_its_figures_are_old_and_goes_on_when_there_is_an_answer_again()
    {
        await using var app = await DashboardApp.StartAsync();
        await using var visit = await browser.VisitAsync(ColorScheme.Light, 1280);
        var parts = await OpenAsync(visit, new(app.Dashboard, "dead"), isAway: false);
        await parts.NextAsync();
        var held = await parts.HoldNextAsync();

        await held.AbortAsync();
        await Assertions.Expect(visit.Page.Locator("#pulse")).ToContainTextAsync("these figures are old");
        await parts.NextAsync();

        await Assertions.Expect(visit.Page.Locator("#pulse")).ToContainTextAsync("Live");
        await Assertions.Expect(visit.Page.Locator("#pulse")).Not.ToContainTextAsync("old");
    }

    static async Task<Parts> OpenAsync(BrowserVisit visit, Uri address, bool isAway)
    {
        var parts = new Parts(visit.Page);
        await visit.Page.AddInitScriptAsync(Seen.Replace("AWAY", isAway ? "true" : "false", StringComparison.Ordinal));
        await visit.Page.Clock.InstallAsync(new() { TimeDate = noon });
        await visit.Page.Clock.PauseAtAsync(noon.AddSeconds(1));
        await visit.Page.GotoAsync(address.ToString());
        return parts;
    }

    /// <summary>The requests of a page for the part that changes.</summary>
    sealed class Parts
    {
        readonly IPage page;
        readonly ConcurrentDictionary<IRequest, bool> open = new();
        int begun, ended, sockets;

        public Parts(IPage page)
        {
            this.page = page;
            page.Request += (_, request) =>
            {
                if (request.ResourceType is "fetch" or "xhr" or "eventsource")
                {
                    open[request] = true;
                }

                begun += IsPart(request) ? 1 : 0;
            };
            page.Response += (_, response) =>
            {
                Types.Enqueue(response.Headers.GetValueOrDefault("content-type", ""));
                if (IsPart(response.Request))
                {
                    Statuses.Enqueue(response.Status);
                }
            };
            page.RequestFinished += (_, request) => End(request);
            page.RequestFailed += (_, request) => End(request);
            page.WebSocket += (_, _) => sockets++;
        }

        public int Begun => Volatile.Read(ref begun);

        public int Ended => Volatile.Read(ref ended);

        /// <summary>How many requests of the script have no end yet.</summary>
        public int Open => open.Count;

        public int Sockets => Volatile.Read(ref sockets);

        public ConcurrentQueue<int> Statuses { get; } = new();

        public ConcurrentQueue<string> Types { get; } = new();

        /// <summary>Moves the clock on until the page has asked once more, and has its answer.</summary>
        public async Task NextAsync()
        {
            var before = Ended;
            await Wait.Until(async () =>
            {
                if (Begun == Ended)
                {
                    await page.Clock.RunForAsync(500);
                }

                return Ended > before;
            });
        }

        /// <summary>Moves the clock on until the page asks once more, and keeps the answer back.</summary>
        public async Task<IRoute> HoldNextAsync()
        {
            var held = new TaskCompletionSource<IRoute>(TaskCreationOptions.RunContinuationsAsynchronously);
            await page.RouteAsync("**/dead", held.SetResult, new() { Times = 1 });
            await Wait.Until(async () =>
            {
                if (!held.Task.IsCompleted)
                {
                    await page.Clock.RunForAsync(500);
                }

                return held.Task.IsCompleted;
            });
            return await held.Task;
        }

        static bool IsPart(IRequest request) => request.Headers.ContainsKey("jobs-fragment");

        void End(IRequest request)
        {
            open.TryRemove(request, out _);
            ended += IsPart(request) ? 1 : 0;
        }
    }
}
