using System.Net;
using System.Net.Sockets;
using System.Security.Claims;
using System.Text;
using System.Text.Encodings.Web;
using Jobs.Contracts;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs.DashboardTests;

/// <summary>Who may see the dashboard, and who may do what.</summary>
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
    public async Task A_token_opens_it_once_and_then_the_log_has_another()
    {
        await using var app = await DashboardApp.StartAsync(new() { Environment = "Production", HasWorker = false });
        var token = TokenOf(app, 600);

        Assert.Equal(HttpStatusCode.OK, await StatusAsync(app, $"?token={token}"));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(app, $"?token={token}"));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(app, "?token="));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(app, $"?token={TokenOf(app, 602)}"));
    }

    [Fact]
    public async Task With_a_policy_it_is_an_endpoint_like_any_other()
    {
        await using var app = await StartWithUsersAsync(_ => { });

        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(app));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(app, (Users.Header, "reader"), ("X-Forwarded-For", "10.0.0.1"), ("Host", "jobs.example.com")));
        Assert.Equal("Dashboard: " + app.Dashboard, Assert.Single(app.Logs.All, line => line.Event == 600).Text.Trim());
    }

    [Fact]
    public async Task The_rights_to_see_arguments_to_act_and_to_administer_are_policies()
    {
        await using var app = await StartWithUsersAsync(options =>
        {
            options.ViewArgumentsPolicy = "arguments";
            options.ActPolicy = "act";
            options.AdministerPolicy = "administer";
        });
        var id = await app.DeadAsync(FeedJobs.Fetch("a secret place"));
        await Wait.Until(async () => (await app.Inspector.GetJobAsync(id, TestContext.Current.CancellationToken)).Arguments is not null);

        var reader = await PageAsync(app, "reader", $"job?id={id}");
        var auditor = await PageAsync(app, "arguments", $"job?id={id}");
        var operator_ = await PageAsync(app, "act", $"job?id={id}");
        var admin = await PageAsync(app, "administer", "schedules");

        Assert.DoesNotContain("a secret place", reader, StringComparison.Ordinal);
        Assert.DoesNotContain("<form method=\"post\"", reader, StringComparison.Ordinal);
        Assert.Contains("a secret place", auditor, StringComparison.Ordinal);
        Assert.DoesNotContain("<form method=\"post\"", auditor, StringComparison.Ordinal);
        Assert.Contains("action=\"retry-dead\"", operator_, StringComparison.Ordinal);
        Assert.DoesNotContain("a secret place", operator_, StringComparison.Ordinal);
        Assert.Contains("action=\"schedule-pause\"", admin, StringComparison.Ordinal);
        Assert.DoesNotContain("action=\"schedule-run-now\"", admin, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Forbidden, await PostAsync(app, "reader", "retry-dead", ("ids", id)));
        Assert.Equal(HttpStatusCode.Forbidden, await PostAsync(app, "act", "schedule-pause", ("name", "prune")));
        Assert.Equal(HttpStatusCode.Forbidden, await PostAsync(app, "administer", "delete-dead", ("ids", id), ("confirm", "delete")));
        Assert.Equal(HttpStatusCode.SeeOther, await PostAsync(app, "act", "retry-dead", ("ids", id)));
        app.MustHaveLogged(604, "reader");
        app.MustHaveLogged(603, "act at", id);
    }

    [Fact]
    public async Task Read_only_means_that_nobody_changes_anything()
    {
        await using var app = await DashboardApp.StartAsync(new() { Options = options => options.ReadOnly = true });

        string[] pages = ["", "failures", "queues", "jobs", "workers", "schedules", "dead"];
        string[] actions =
            ["retry-dead", "delete-dead", "enqueue", "schedule-run-now", "schedule-pause", "schedule-resume", "schedule-remove", "schedule-set"];
        foreach (var page in pages)
        {
            Assert.DoesNotContain("method=\"post\"", await app.PageAsync(page), StringComparison.Ordinal);
        }

        foreach (var action in actions)
        {
            using var answer = await app.PostAsync(action, ("all", "yes"), ("name", "prune"), ("task", "feeds.fetch"));
            Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        }
    }

    [Fact]
    public async Task A_policy_that_does_not_exist_stops_the_start()
    {
        var problem = await Assert.ThrowsAsync<InvalidOperationException>(() => DashboardApp.StartAsync(new()
        {
            HasWorker = false,
            Services = services => services.AddAuthorization(),
            Options = options => options.ActPolicy = "operators",
        }));

        Assert.Contains("'operators'", problem.Message, StringComparison.Ordinal);
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
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(app.Dashboard, "retry-dead")) { Content = new FormUrlEncodedContent([]) };
        if (site is not null)
        {
            request.Headers.Add("Sec-Fetch-Site", site);
        }

        if (origin is not null)
        {
            request.Headers.Add("Origin", origin);
        }

        using var answer = await app.Http.SendAsync(request, TestContext.Current.CancellationToken);
        return answer.StatusCode;
    }

    static string TokenOf(DashboardApp app, int line) => app.Logs.All.Last(one => one.Event == line).Text.Split("token=")[1].Split(' ', ')')[0];

    static Task<HttpStatusCode> StatusAsync(DashboardApp app, params (string Name, string Value)[] headers) => StatusAsync(app, "", headers);

    static async Task<HttpStatusCode> StatusAsync(DashboardApp app, string path, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(app.Dashboard, path));
        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        using var answer = await app.Http.SendAsync(request, TestContext.Current.CancellationToken);
        return answer.StatusCode;
    }

    static async Task<string> PageAsync(DashboardApp app, string user, string path)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(app.Dashboard, path));
        request.Headers.Add(Users.Header, user);
        using var answer = await app.Http.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
    }

    static async Task<HttpStatusCode> PostAsync(DashboardApp app, string user, string action, params (string Name, string Value)[] fields)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(app.Dashboard, action))
        {
            Content = new FormUrlEncodedContent(fields.Select(field => KeyValuePair.Create(field.Name, field.Value))),
        };
        request.Headers.Add(Users.Header, user);
        request.Headers.Add("Sec-Fetch-Site", "same-origin");
        using var answer = await app.Http.SendAsync(request, TestContext.Current.CancellationToken);
        return answer.StatusCode;
    }

    // A user is who the header says, and has the role of the same name.
    static Task<DashboardApp> StartWithUsersAsync(Action<JobsDashboardOptions> options) => DashboardApp.StartAsync(new()
    {
        Environment = "Production",
        Services = services =>
        {
            services.AddAuthentication("header").AddScheme<AuthenticationSchemeOptions, Users>("header", null);
            services.AddAuthorization(authorization =>
            {
                foreach (var role in new[] { "arguments", "act", "administer" })
                {
                    authorization.AddPolicy(role, policy => policy.RequireRole(role));
                }
            });
        },
        Map = app =>
        {
            app.UseAuthentication();
            app.UseAuthorization();
            app.MapJobsDashboard("/jobs", options).RequireAuthorization();
        },
    });

    sealed class Users(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder)
        : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
    {
        public const string Header = "Test-User";

        protected override Task<AuthenticateResult> HandleAuthenticateAsync()
        {
            if (Request.Headers[Header].ToString() is not { Length: > 0 } name)
            {
                return Task.FromResult(AuthenticateResult.NoResult());
            }

            var identity = new ClaimsIdentity([new(ClaimTypes.Name, name), new(ClaimTypes.Role, name)], Scheme.Name);
            return Task.FromResult(AuthenticateResult.Success(new(new(identity), Scheme.Name)));
        }
    }
}
