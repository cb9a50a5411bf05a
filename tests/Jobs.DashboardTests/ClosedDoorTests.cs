using System.Net;

namespace Jobs.DashboardTests;

/// <summary>What a request sees that may not come in, and how it cannot come in all the same.</summary>
public sealed class ClosedDoorTests
{
    [Fact]
    public async Task Nothing_tells_the_closed_dashboard_from_an_address_that_is_not_there()
    {
        await using var app = await DashboardApp.StartAsync(new() { Environment = "Production", HasWorker = false });

        var (closed, missing) = (await HeadersAsync(app, "/jobs/"), await HeadersAsync(app, "/other/"));

        Assert.Equal(missing, closed);
    }

    [Theory]
    [InlineData("cross-site", "cors", HttpStatusCode.NotFound)]
    [InlineData("cross-site", "no-cors", HttpStatusCode.NotFound)]
    [InlineData("same-site", "cors", HttpStatusCode.NotFound)] // another port of this machine
    [InlineData("cross-site", "navigate", HttpStatusCode.OK)] // a link
    [InlineData("same-origin", "cors", HttpStatusCode.OK)]
    [InlineData("none", "navigate", HttpStatusCode.OK)]
    public async Task A_script_of_another_page_does_not_read_it_in_development(string site, string mode, HttpStatusCode expected)
    {
        await using var app = await DashboardApp.StartAsync(new() { HasWorker = false });
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(app.Dashboard, "queues"));
        request.Headers.Add("Sec-Fetch-Site", site);
        request.Headers.Add("Sec-Fetch-Mode", mode);

        using var answer = await app.Http.SendAsync(request, TestContext.Current.CancellationToken);

        Assert.Equal(expected, answer.StatusCode);
    }

    [Fact]
    public async Task The_token_opens_it_also_when_the_slash_at_the_end_is_missing()
    {
        await using var app = await DashboardApp.StartAsync(new() { Environment = "Production", HasWorker = false });
        var token = app.Logs.All.Last(one => one.Event == 600).Text.Split("token=")[1].Split(' ', ')')[0];
        using var browser = app.Client(followsRedirects: true, new CookieContainer());

        using var wrong = await browser.GetAsync(new Uri(app.Root, "/jobs?token=wrong"), TestContext.Current.CancellationToken);
        using var entry = await browser.GetAsync(new Uri(app.Root, $"/jobs?token={token}"), TestContext.Current.CancellationToken);
        using var page = await browser.GetAsync(app.Dashboard, TestContext.Current.CancellationToken);

        Assert.Equal((HttpStatusCode.NotFound, "/jobs"), (wrong.StatusCode, wrong.RequestMessage!.RequestUri!.AbsolutePath));
        Assert.Equal("/jobs/", entry.RequestMessage!.RequestUri!.AbsolutePath); // so the cookie counts for this folder only
        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
    }

    [Theory]
    [InlineData("text/plain", "task=feeds.fetch")]
    [InlineData("multipart/form-data; boundary=x", "no form")]
    public async Task What_is_no_form_is_refused_without_an_error_in_the_log(string type, string body)
    {
        await using var app = await DashboardApp.StartAsync(new() { HasWorker = false });
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(app.Dashboard, "enqueue")) { Content = new StringContent(body) };
        request.Content.Headers.ContentType = System.Net.Http.Headers.MediaTypeHeaderValue.Parse(type);
        request.Headers.Add("Sec-Fetch-Site", "same-origin");

        using var answer = await app.Http.SendAsync(request, TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.DoesNotContain(app.Logs.All, line => line.Event == 605);
    }

    static async Task<string> HeadersAsync(DashboardApp app, string path)
    {
        using var answer = await app.Http.GetAsync(new Uri(app.Root, path), TestContext.Current.CancellationToken);
        var names = answer.Headers.Concat(answer.Content.Headers).Select(header => header.Key).Except(["Date"]);
        return $"{answer.StatusCode} {string.Join(' ', names.Order(StringComparer.Ordinal))}";
    }
}
