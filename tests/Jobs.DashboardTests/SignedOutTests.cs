using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Playwright;

namespace Jobs.DashboardTests;

/// <summary>What a page does when the application sends its script to the page of the login.</summary>
public sealed class SignedOutTests(BrowserFixture browser)
{
    [Fact]
    public async Task A_page_keeps_its_figures_and_says_that_they_are_old()
    {
        await using var app = await DashboardApp.StartAsync(new() { HasWorker = false, Map = Map });
        await using var visit = await browser.VisitAsync(ColorScheme.Light, 1280);
        await visit.Page.GotoAsync(new Uri(app.Dashboard, "queues").ToString());

        await Assertions.Expect(visit.Page.Locator("#pulse")).ToContainTextAsync("No answer", new() { Timeout = 30_000 });

        await Assertions.Expect(visit.Page.Locator("#live")).Not.ToContainTextAsync("Your name, please");
    }

    // As the cookies of ASP.NET Core do, when the session is over.
    static void Map(WebApplication web)
    {
        web.Use(async (http, next) =>
        {
            if (http.Request.Headers.ContainsKey("Jobs-Fragment") && http.Request.Path != "/login")
            {
                http.Response.Redirect("/login");
                return;
            }

            await next(http);
        });
        web.MapGet("/login", () => Microsoft.AspNetCore.Http.Results.Text("Your name, please", "text/html"));
        web.MapJobsDashboard("/jobs");
    }
}
