using Xunit;

namespace Jobs.Tests.News;

/// <summary>The sample, started as a reader of the README starts it.</summary>
public sealed class NewsSampleTests
{
    static readonly TimeSpan headlinesWithin = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task The_news_site_shows_headlines_updates_a_profile_after_login_and_stops_cleanly()
    {
        await using var site = NewsSite.Start();

        // 1. The start-up jobs fetch both feeds.
        var page = await site.PollAsync("/live", html => Count(html, ">refreshed ") == 2 && Count(html, "<li>") > 10, headlinesWithin);
        Assert.Contains("/read/", page, StringComparison.Ordinal);
        Assert.Contains("Log in", page, StringComparison.Ordinal);

        // 2. A login answers with the page; the profile comes after it.
        await site.LoginAsync("ada.lovelace");
        var profile = await site.PollAsync("/live", html => html.Contains("profile updated", StringComparison.Ordinal), headlinesWithin);
        Assert.Contains("Hello <b>Ada Lovelace</b>: logins: 1, reads most: nothing yet.", profile, StringComparison.Ordinal);

        // 3. A story is read; the next login's job finds that out.
        var story = profile[(profile.IndexOf("/read/", StringComparison.Ordinal))..];
        await site.GetAsync(story[..story.IndexOf('"', StringComparison.Ordinal)]);
        await site.LoginAsync("ada.lovelace");
        await site.PollAsync("/live", html => html.Contains("logins: 2, reads most: cricket.", StringComparison.Ordinal), headlinesWithin);

        // 4. The schedule adds headlines without anybody asking.
        var refreshed = Refreshed(await site.GetAsync("/live"));
        await site.PollAsync("/live", html => Refreshed(html) != refreshed, headlinesWithin);

        Assert.Equal(0, await site.TerminateAsync());
    }

    [Fact]
    public async Task A_reader_cannot_put_markup_on_the_page()
    {
        await using var site = NewsSite.Start();
        await site.PollAsync("/healthz", _ => true, headlinesWithin);

        await site.LoginAsync("<script>alert(1)</script>");

        var page = await site.PollAsync("/live", html => html.Contains("profile updated", StringComparison.Ordinal), headlinesWithin);
        Assert.DoesNotContain("<script>", page, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(0, await site.TerminateAsync());
    }

    [Fact]
    public async Task Web_worker_and_beat_share_one_file_as_processes_of_their_own()
    {
        await using var web = NewsSite.Start("--role", "web");
        await using var worker = web.Another("--role", "worker");
        await using var beat = web.Another("--role", "beat");

        var page = await web.PollAsync("/live", html => Count(html, ">refreshed ") == 2, headlinesWithin);
        await web.LoginAsync("ada.lovelace");
        await web.PollAsync("/live", html => html.Contains("profile updated", StringComparison.Ordinal), headlinesWithin);
        await web.PollAsync("/live", html => Refreshed(html) != Refreshed(page), headlinesWithin);
        await worker.PrintsAsync("jobs.db", headlinesWithin);

        Assert.Equal(0, await beat.TerminateAsync());
        Assert.Equal(0, await worker.TerminateAsync());
        Assert.Equal(0, await web.TerminateAsync());
    }

    [Fact]
    public async Task A_refresh_that_is_killed_with_its_process_goes_on_in_the_next_process()
    {
        using var feed = new HeldFeed();
        string[] options = ["--feed", $"held={feed.Address}", "--cron", "0 0 1 1 *"];
        await using var site = NewsSite.Start(options);
        await feed.Asked.WaitAsync(headlinesWithin, TestContext.Current.CancellationToken);
        await site.KillAsync();

        // A worker enqueues nothing by itself: the job that it runs can only be the one that was killed.
        feed.Answer();
        await using var worker = site.Another(["--role", "worker", .. options]);
        await worker.PrintsAsync("held: 1 new headlines", headlinesWithin);

        Assert.Equal(0, await worker.TerminateAsync());
    }

    [Fact]
    public async Task The_page_shows_how_far_a_refresh_is_and_what_it_brought()
    {
        using var feed = new HeldFeed();
        await using var site = NewsSite.Start("--feed", $"held={feed.Address}", "--cron", "0 0 1 1 *");

        await site.PollAsync("/live", html => html.Contains("(asking the feed, 10 %)", StringComparison.Ordinal), headlinesWithin);
        feed.Answer();
        await site.PollAsync("/live", html => html.Contains("(1 new at ", StringComparison.Ordinal), headlinesWithin);
        await site.PressRefreshAsync();
        await site.PollAsync("/live", html => html.Contains("(0 new at ", StringComparison.Ordinal), headlinesWithin);

        Assert.Equal(0, await site.TerminateAsync());
    }

    [Fact]
    public async Task Jobs_may_be_in_memory()
    {
        await using var site = NewsSite.Start("--memory");
        await site.PollAsync("/live", html => Count(html, ">refreshed ") == 2, headlinesWithin);
        await site.PrintsAsync("in this process's memory", headlinesWithin);
        Assert.Equal(0, await site.TerminateAsync());
    }

    [Theory]
    [InlineData("--colour red", "There is no option '--colour'.")]
    [InlineData("--role worker --memory", "--memory needs --role all: jobs in memory cannot be shared between processes.")]
    [InlineData("--memory --sqlite jobs.db", "--sqlite and --memory exclude each other: jobs are kept in one place.")]
    [InlineData("--broker amqp://rabbit --sqlite jobs.db", "--sqlite and --broker exclude each other: jobs are kept in one place.")]
    [InlineData("--sqlite /", "--sqlite needs the path of a file.")]
    [InlineData("--role cook", "use web, worker, beat or all")]
    [InlineData("--urls", "--urls needs a value.")]
    [InlineData("--feed espn", "use NAME=URL")]
    [InlineData("--broker http://rabbit", "amqp:// or amqps://")]
    public async Task A_command_line_that_makes_no_sense_ends_with_2_and_says_why(string arguments, string reason)
    {
        var (exitCode, error) = await NewsSite.RunAsync(arguments);

        Assert.Equal(2, exitCode);
        Assert.Contains(reason, error, StringComparison.Ordinal);
    }

    static int Count(string text, string part) => text.Split(part).Length - 1;

    static string Refreshed(string html) => html[html.IndexOf(">refreshed ", StringComparison.Ordinal)..][..24];
}
