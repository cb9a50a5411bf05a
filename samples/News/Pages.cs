using System.Globalization;
using System.Security.Claims;
using System.Text.Encodings.Web;
using Jobs;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;

namespace News;

/// <summary>What a browser sees.</summary>
static class Pages
{
    const string Layout = """
        <!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>News</title>
        <style>
        body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
        main { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 0 2rem }
        header { display: flex; justify-content: space-between; align-items: baseline; flex-wrap: wrap; border-bottom: 2px solid #222 }
        h2 { text-transform: capitalize; margin-bottom: 0 } small, time { color: #666 } ul { padding: 0; list-style: none } li { margin: .4rem 0 }
        a { color: #0b57d0; text-decoration: none } a:hover { text-decoration: underline }
        </style>
        """;

    const string KeepFresh = """
        <script>
        setInterval(async () => {
          const answer = await fetch('/live').catch(() => null);
          if (answer?.ok) document.getElementById('live').innerHTML = await answer.text();
        }, 2000);
        </script>
        """;

    const string LoginForm = """<form method="post" action="/login"><input name="user" placeholder="your name" maxlength="40" required> <button>Log in</button></form>""";
    const string RefreshForm = """<form method="post" action="/refresh"><button>Refresh now</button></form>""";
    const string LogoutForm = """<form method="post" action="/logout"><button>Log out</button></form>""";

    public static void Map(WebApplication app)
    {
        app.MapGet("/", async (ClaimsPrincipal user, CommandLine options, NewsDb db, Refreshes refreshes, CancellationToken stop) => Html(
            $"""{Layout}<header><h1>News</h1>{RefreshForm}{(user.Identity?.Name is null ? LoginForm : LogoutForm)}</header><div id="live">{await LiveAsync(user, options, db, refreshes, stop)}</div>{KeepFresh}"""));
        app.MapGet("/live", async (ClaimsPrincipal user, CommandLine options, NewsDb db, Refreshes refreshes, CancellationToken stop) =>
            Html(await LiveAsync(user, options, db, refreshes, stop)));
        app.MapGet("/read/{id:long}", (long id, ClaimsPrincipal user, NewsDb db) =>
            db.Visit(user.Identity?.Name, id) is { } link ? Results.Redirect(link) : Results.NotFound());
        app.MapPost("/login", LoginAsync);
        app.MapPost("/refresh", RefreshAsync);
        app.MapPost("/logout", async (HttpContext http) =>
        {
            await http.SignOutAsync();
            return Results.LocalRedirect("/");
        });
        app.MapGet("/healthz", (NewsDb db) => Results.Text($"ok, {db.CountHeadlines()} headlines"));
    }

    // A name is enough here. A real site asks for a password, and for an antiforgery token on every form.
    static async Task<IResult> LoginAsync(HttpContext http, NewsDb db, IJobDispatcher dispatcher, TimeProvider time, ILogger<Program> logger)
    {
        var form = await http.Request.ReadFormAsync(http.RequestAborted);
        var name = form["user"].ToString().Trim().ToLowerInvariant();
        if (name.Length is 0 or > 40)
        {
            return Results.BadRequest("A name has 1 to 40 characters.");
        }

        db.AddLogin(name, time.GetUtcNow());
        await http.SignInAsync(new(new ClaimsIdentity([new(ClaimTypes.Name, name)], CookieAuthenticationDefaults.AuthenticationScheme)));

        try
        {
            // The answer waits until the job is safely enqueued, and not until the job has run.
            await dispatcher.EnqueueAsync(ProfileJobs.Refresh(name));
        }
        catch (JobPublishException e)
        {
            // Readers can log in although the broker is away. The next login brings the profile up to date.
            logger.LogWarning(e, "The profile of {User} stays as it was", name);
        }

        return Results.LocalRedirect("/");
    }

    static async Task<IResult> RefreshAsync(Refreshes refreshes, ILogger<Program> logger, CancellationToken stop)
    {
        try
        {
            await refreshes.StartAsync(stop);
        }
        catch (JobPublishException e)
        {
            logger.LogWarning(e, "Not refreshed now; the schedule will do it");
        }

        return Results.LocalRedirect("/");
    }

    public static string Story(string title) => $"""{Layout}<h1>{E(title)}</h1><p>This is all we know so far.</p><p><a href="/">Back to the news</a></p>""";

    public static string Clock(DateTimeOffset? time) => time?.ToString("HH:mm:ss 'UTC'", CultureInfo.InvariantCulture) ?? "";

    static async Task<string> LiveAsync(ClaimsPrincipal user, CommandLine options, NewsDb db, Refreshes refreshes, CancellationToken stop)
    {
        var sources = await Task.WhenAll(options.Feeds.Keys.Select(async source => Source(source, db, await refreshes.DescribeAsync(source, stop))));
        return $"<p>{Profile(user.Identity?.Name, db)}</p><main>{string.Concat(sources)}</main>";
    }

    static string Profile(string? user, NewsDb db)
    {
        if (user is null)
        {
            return "Log in to get a profile.";
        }

        var profile = db.Profile(user);
        return profile is null || profile.Updated < db.Logins(user).Last
            ? $"Hello {E(user)}. <small>Your profile is being updated …</small>"
            : $"Hello <b>{E(profile.DisplayName)}</b>: logins: {profile.Logins}, reads most: {E(profile.ReadsMost ?? "nothing yet")}. <small>profile updated {Clock(profile.Updated)}</small>";
    }

    static string Source(string source, NewsDb db, string progress)
    {
        var headlines = db.Headlines(source, count: 12).Select(h => $"""<li><time>{Clock(h.Published)}</time> <a href="/read/{h.Id}">{E(h.Title)}</a></li>""");
        var refreshed = db.LastRefresh(source) is { } at ? $"refreshed {Clock(at)}" : "not refreshed yet";
        return $"<section><h2>{E(source)}</h2><small>{refreshed}{(progress.Length > 0 ? $" ({E(progress)})" : "")}</small><ul>{string.Concat(headlines)}</ul></section>";
    }

    static string E(string text) => HtmlEncoder.Default.Encode(text);

    static IResult Html(string html) => Results.Text(html, "text/html");
}
