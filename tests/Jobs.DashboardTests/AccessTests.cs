using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Text;
using Jobs.Contracts;

namespace Jobs.DashboardTests;

/// <summary>Who may see the dashboard, and which forms count. <see cref="RightsTests"/> has who may do what there.</summary>
public sealed class AccessTests
{
    [Fact]
    public async Task In_development_a_browser_on_this_machine_sees_it()
    {
        await using var app = await DashboardApp.StartAsync();

        Assert.Equal(HttpStatusCode.OK, await StatusAsync(app));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(app, ("Host", "localhost")));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(app, ("Host", "[::1]:80")));
    }

    [Fact]
    public async Task Outside_development_it_is_not_there_and_one_line_of_the_log_says_what_to_add()
    {
        await using var app = await DashboardApp.StartAsync(new() { Environment = "Production" });

        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(app));
        using var answer = await app.Http.GetAsync(new Uri(app.Dashboard, "failures"), TestContext.Current.CancellationToken);

        Assert.Equal((HttpStatusCode.NotFound, ""), (answer.StatusCode, await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)));
        var line = Assert.Single(app.Logs.All, line => line.Event == 601);
        Assert.Contains("RequireAuthorization", line.Text, StringComparison.Ordinal);
        Assert.Contains("Production", line.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Host", "jobs.example.com")]
    [InlineData("Host", "127.0.0.1.example.com")]
    [InlineData("Forwarded", "for=127.0.0.1")]
    [InlineData("X-Forwarded-For", "127.0.0.1")]
    [InlineData("X-Forwarded-Host", "localhost")]
    [InlineData("X-Original-For", "127.0.0.1:1")]
    [InlineData("X-Original-Proto", "http")]
    [InlineData("X-Real-IP", "127.0.0.1")]
    [InlineData("Via", "1.1 proxy")]
    public async Task A_trace_of_a_proxy_or_a_foreign_host_closes_it(string header, string value)
    {
        await using var app = await DashboardApp.StartAsync(new() { HasWorker = false });

        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(app, (header, value)));
    }

    [Fact]
    public async Task A_spoofed_address_does_not_open_it_although_the_application_believes_forwarded_headers()
    {
        await using var app = await DashboardApp.StartAsync(new() { HasWorker = false, Arguments = ["--FORWARDEDHEADERS_ENABLED=true"] });

        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(app, ("X-Forwarded-For", "127.0.0.1")));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(app, ("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-Host", "localhost")));
    }

    [Fact]
    public async Task The_request_of_a_plain_proxy_pass_of_nginx_does_not_open_it()
    {
        await using var app = await DashboardApp.StartAsync(new() { HasWorker = false });
        using var socket = new TcpClient();
        await socket.ConnectAsync(IPAddress.Loopback, app.Root.Port, TestContext.Current.CancellationToken);

        var request = $"GET /jobs/ HTTP/1.0\r\nHost: 127.0.0.1:{app.Root.Port}\r\nConnection: close\r\n\r\n";
        await socket.GetStream().WriteAsync(Encoding.ASCII.GetBytes(request), TestContext.Current.CancellationToken);

        using var reader = new StreamReader(socket.GetStream());
        Assert.StartsWith("HTTP/1.1 404", await reader.ReadToEndAsync(TestContext.Current.CancellationToken).Soon(), StringComparison.Ordinal);
        Assert.Contains("HTTP/1.0", Assert.Single(app.Logs.All, line => line.Event == 601).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_token_of_the_log_opens_it_for_one_browser()
    {
        await using var app = await DashboardApp.StartAsync(new() { Environment = "Production" });
        var token = TokenOf(app, 600);
        var cookies = new CookieContainer();
        using var browser = app.Client(cookies: cookies);

        using var entry = await browser.GetAsync(new Uri(app.Dashboard, $"?token={token}"), TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.OK, entry.StatusCode);
        var cookie = Assert.Single(entry.Headers.GetValues("Set-Cookie"));
        Assert.Contains("httponly", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("samesite=strict", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(token, cookie, StringComparison.Ordinal);
        Assert.DoesNotContain("path=", cookie, StringComparison.OrdinalIgnoreCase);
        using var page = await browser.GetAsync(app.Dashboard, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(app)); // another browser
    }

    [Fact]
    public async Task In_a_container_the_visitor_of_a_published_port_needs_the_token_of_the_log()
    {
        // Such a visitor asks for localhost, and comes from an address of the container's network.
        await using var app = await DashboardApp.StartAsync(new() { HasWorker = false, Address = OtherAddress() });
        var token = TokenOf(app, 600);

        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(app, ("Host", "localhost:8080")));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(app, "failures", ("Host", "localhost:8080")));

        var line = Assert.Single(app.Logs.All, line => line.Event == 601);
        Assert.Contains($"it comes from {app.Root.DnsSafeHost}, and not from this machine", line.Text, StringComparison.Ordinal);
        Assert.Contains("RequireAuthorization", line.Text, StringComparison.Ordinal);
        using var entry = await app.GetAsync($"?token={token}", ("Host", "localhost:8080"));
        Assert.Equal(HttpStatusCode.OK, entry.StatusCode);
        var cookie = Assert.Single(entry.Headers.GetValues("Set-Cookie"));
        Assert.Contains("httponly", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("samesite=strict", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(app, "failures", ("Host", "localhost:8080"), ("Cookie", cookie.Split(';')[0])));
    }

    [Fact]
    public async Task A_token_opens_it_once_and_then_the_log_has_another()
    {
        await using var app = await DashboardApp.StartAsync(new() { Environment = "Production", HasWorker = false });
        var token = TokenOf(app, 600);

        Assert.Equal(HttpStatusCode.OK, await StatusAsync(app, $"?token={token}"));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(app, $"?token={token}"));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(app, "?token="));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(app, $"?token={TokenOf(app, 602)}"));
    }

    [Theory]
    [InlineData("cross-site", null)]
    [InlineData("same-site", null)]
    [InlineData("none", null)]
    [InlineData(null, null)]
    [InlineData(null, "null")]
    [InlineData(null, "https://jobs.example.com")]
    [InlineData("cross-site", "http://127.0.0.1")]
    public async Task A_form_from_elsewhere_changes_nothing(string? site, string? origin)
    {
        await using var app = await DashboardApp.StartAsync(new() { HasWorker = false });

        Assert.Equal(HttpStatusCode.Forbidden, await PostFromAsync(app, site, origin));
    }

    [Fact]
    public async Task A_form_of_our_own_is_known_by_its_origin_where_the_browser_says_no_site()
    {
        await using var app = await DashboardApp.StartAsync(new() { HasWorker = false });

        Assert.Equal(HttpStatusCode.BadRequest, await PostFromAsync(app, null, app.Root.GetLeftPart(UriPartial.Authority))); // read, and nothing was selected
        Assert.Equal(HttpStatusCode.BadRequest, await PostFromAsync(app, "same-origin", null));
    }

    static async Task<HttpStatusCode> PostFromAsync(DashboardApp app, string? site, string? origin)
    {
        var headers = new[] { ("Sec-Fetch-Site", site), ("Origin", origin) }.Where(one => one.Item2 is not null).Select(one => (one.Item1, one.Item2!));
        using var answer = await app.SendAsync(HttpMethod.Post, "retry-dead", [], [.. headers]);
        return answer.StatusCode;
    }

    // An address of this machine that is not a loopback one. What is sent there does not leave the machine.
    static string OtherAddress() => NetworkInterface.GetAllNetworkInterfaces()
        .Where(network => network.OperationalStatus == OperationalStatus.Up)
        .SelectMany(network => network.GetIPProperties().UnicastAddresses.Select(one => one.Address))
        .FirstOrDefault(address => address.AddressFamily == AddressFamily.InterNetwork && !IPAddress.IsLoopback(address))?.ToString()
        ?? throw new InvalidOperationException("This test needs an address of this machine beside 127.0.0.1, for example on a network of type dummy.");

    static string TokenOf(DashboardApp app, int line) => app.Logs.All.Last(one => one.Event == line).Text.Split("token=")[1].Split(' ', ')')[0];

    static Task<HttpStatusCode> StatusAsync(DashboardApp app, params (string Name, string Value)[] headers) => StatusAsync(app, "", headers);

    static async Task<HttpStatusCode> StatusAsync(DashboardApp app, string path, params (string Name, string Value)[] headers)
    {
        using var answer = await app.GetAsync(path, headers);
        return answer.StatusCode;
    }
}
