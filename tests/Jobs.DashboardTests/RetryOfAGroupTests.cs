using System.Net;
using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;

namespace Jobs.DashboardTests;

/// <summary>The button beside a kind of failure sends back what it counts, and nothing else.</summary>
public sealed class RetryOfAGroupTests
{
    readonly ScriptedInspector inspector = new()
    {
        Failures = () => Task.FromResult(new FailurePage { Groups = [Failure("Feeds.Fetch"), Failure("")] }),
        Groups = _ => [Letters("Feeds.Fetch"), Letters(null)],
    };

    [Theory]
    [InlineData("failures?task=feeds.*&queue=feeds")]
    [InlineData("dead?task=feeds.*&queue=feeds&text=away")]
    public async Task The_filters_of_the_page_count_for_it(string page)
    {
        await using var app = await StartAsync();

        var form = Forms(await app.PageAsync(page))[0];

        Assert.Contains("Retry all 3 dead jobs", form, StringComparison.Ordinal);
        Assert.Contains("""name="task" value="feeds.*">""", form, StringComparison.Ordinal);
        Assert.Contains("""name="queue" value="feeds">""", form, StringComparison.Ordinal);
        Assert.Equal(page.Contains("text", StringComparison.Ordinal), form.Contains("""name="text" value="away">""", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_failures_page_counts_only_dead_jobs_that_its_filters_select()
    {
        await using var app = await StartAsync();
        DeadLetterQuery? asked = null;
        inspector.Groups = query => [.. Enumerable.Repeat(Letters("Feeds.Fetch"), (asked = query).Task is null ? 2 : 1)];

        var form = Forms(await app.PageAsync("failures?task=feeds.fetch&queue=feeds"))[0];

        Assert.Equal(("feeds.fetch", "feeds"), (asked!.Task, asked.Queue));
        Assert.Contains("Retry all 3 dead jobs", form, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("failures")]
    [InlineData("dead")]
    public async Task Failures_at_a_place_that_nobody_knows_are_a_kind_of_their_own(string page)
    {
        await using var app = await StartAsync();

        var forms = Forms(await app.PageAsync(page));

        Assert.Contains("""name="frame" value="Feeds.Fetch">""", forms[0], StringComparison.Ordinal);
        Assert.Contains("""name="frame" value="(unknown)">""", forms[1], StringComparison.Ordinal);
        Assert.Contains("frame=%28unknown%29", await app.PageAsync(page), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_page_of_jobs_asks_for_that_kind_only()
    {
        await using var app = await StartAsync();
        var asked = new List<string?>();
        inspector.Jobs = query =>
        {
            asked.Add(query.ErrorFrame);
            return Task.FromResult(new JobPage());
        };

        await app.PageAsync("jobs?type=IOException&frame=%28unknown%29");
        await app.PageAsync("jobs?type=IOException");

        Assert.Equal(["", null], asked);
    }

    [Fact]
    public async Task All_that_match_says_when_there_are_more()
    {
        await using var app = await StartAsync();
        inspector.Jobs = _ => Task.FromResult(new JobPage { Jobs = [new() { Id = "1" }], Next = "more" });

        using var answer = await app.PostAsync("retry-dead", ("found", "yes"));

        Assert.Contains("only some of the jobs", await app.PageAsync(answer.Headers.Location!.ToString()), StringComparison.Ordinal);
    }

    [Fact]
    public void A_query_for_an_unknown_place_selects_letters_without_a_stack()
    {
        var letter = new DeadLetterInfo { Id = "1", Reason = "away" };

        Assert.True(new DeadLetterQuery { Frame = "" }.Selects(letter));
        Assert.False(new DeadLetterQuery { Frame = "" }.Selects(letter with { Frame = "Feeds.Fetch" }));
    }

    [Fact]
    public async Task A_filter_that_selects_nothing_does_not_say_that_no_job_is_dead()
    {
        await using var app = await StartAsync();

        Assert.Contains("No job is dead.", await app.PageAsync("dead"), StringComparison.Ordinal);
        Assert.DoesNotContain("No job is dead.", await app.PageAsync("dead?task=other"), StringComparison.Ordinal);
    }

    Task<DashboardApp> StartAsync() =>
        DashboardApp.StartAsync(new() { HasWorker = false, Services = services => services.AddSingleton<JobInspector>(inspector) });

    static List<string> Forms(string page) =>
    [
        .. Regex.Matches(page, """<form method="post" action="retry-dead">.*?</form>""", RegexOptions.Singleline)
            .Select(match => WebUtility.HtmlDecode(match.Value)),
    ];

    static FailureGroup Failure(string frame) => new() { Type = "IOException", Frame = frame, Count = 3, LastJobId = "1" };

    static DeadLetterGroup Letters(string? frame) =>
        new() { ExceptionType = "System.IO.IOException", Frame = frame, Reason = "away", Count = 3, Tasks = ["feeds.fetch"] };
}
