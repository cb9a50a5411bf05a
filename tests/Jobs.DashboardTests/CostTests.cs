using Jobs.Contracts;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace Jobs.DashboardTests;

/// <summary>What a page costs: how often the inspector is asked, and how much is sent when nothing has changed.</summary>
public sealed class CostTests
{
    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("")]
    [InlineData("failures")]
    [InlineData("queues")]
    [InlineData("jobs?task=feeds.*")]
    [InlineData("job?id=1")]
    [InlineData("workers")]
    [InlineData("schedules")]
    [InlineData("dead")]
    [InlineData("request?id=" + Canned.RequestId)]
    public async Task Two_tabs_and_ten_tabs_ask_what_one_asks(string path)
    {
        var (canned, time, arrived) = (new Canned(), new FakeTimeProvider(TimeProvider.System.GetUtcNow()), 0);
        await using var app = await DashboardApp.StartAsync(new()
        {
            HasWorker = false,
            Transport = jobs => jobs.UseInMemory(),
            Services = services => services.AddSingleton<JobInspector>(canned).AddSingleton(canned.Control).AddSingleton<TimeProvider>(time),
            Map = web =>
            {
                web.Use((http, next) =>
                {
                    Interlocked.Increment(ref arrived);
                    return next(http);
                });
                web.MapJobsDashboard("/jobs");
            },
        });

        var one = await OpenAsync(tabs: 1);
        var two = await OpenAsync(tabs: 2);
        var ten = await OpenAsync(tabs: 10);

        Assert.NotEmpty(one);
        Assert.Equal(one, two);
        Assert.Equal(one, ten);

        async Task<List<string>> OpenAsync(int tabs)
        {
            var gate = new TaskCompletionSource();
            (canned.Gate, arrived) = (gate.Task, 0);
            canned.Asked.Clear();
            var asking = Enumerable.Range(0, tabs).Select(_ => app.PageAsync(path)).ToList();
            await Wait.Until(() => Volatile.Read(ref arrived) == tabs);
            gate.SetResult();
            await Task.WhenAll(asking).Soon();
            time.Advance(TimeSpan.FromSeconds(2));
            return [.. canned.Asked.Order()];
        }
    }

    [Fact]
    public async Task A_part_that_has_not_changed_is_answered_with_304_and_no_body_and_a_changed_one_is_sent()
    {
        await using var app = await DashboardApp.StartAsync();
        using var first = await PartAsync(app, tag: null);
        var tag = first.Headers.ETag!.ToString();
        Assert.Contains("No job is dead", await first.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
        Assert.DoesNotContain("<html", await first.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);

        using var same = await PartAsync(app, tag);

        Assert.Equal((304, tag), ((int)same.StatusCode, same.Headers.ETag!.ToString()));
        Assert.Empty(await same.Content.ReadAsByteArrayAsync(Cancellation));
        var id = await app.DeadAsync(FeedJobs.Fetch("cricket"));
        var changed = "";
        await Wait.Until(async () =>
        {
            using var answer = await PartAsync(app, tag);
            changed = await answer.Content.ReadAsStringAsync(Cancellation);
            return (int)answer.StatusCode == 200 && answer.Headers.ETag!.ToString() != tag;
        });
        Assert.Contains(id, changed, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_whole_page_has_no_tag_and_is_always_sent()
    {
        await using var app = await DashboardApp.StartAsync(new() { HasWorker = false });
        using var part = await PartAsync(app, tag: null);

        using var page = await app.GetAsync("dead", ("If-None-Match", part.Headers.ETag!.ToString()));

        Assert.Equal((200, null), ((int)page.StatusCode, page.Headers.ETag));
        Assert.Contains("<html", await page.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
    }

    static Task<HttpResponseMessage> PartAsync(DashboardApp app, string? tag) =>
        tag is null ? app.GetAsync("dead", ("Jobs-Fragment", "1")) : app.GetAsync("dead", ("Jobs-Fragment", "1"), ("If-None-Match", tag));
}
