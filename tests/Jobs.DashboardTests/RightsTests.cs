using System.Net;
using System.Security.Claims;
using System.Text.Encodings.Web;
using Jobs.Contracts;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs.DashboardTests;

/// <summary>What a visitor sees and may do, by the policies of the application.</summary>
public sealed class RightsTests
{
    const string Secret = "a secret place";

    static readonly string[] pages = ["", "failures", "queues", "jobs", "workers", "schedules", "dead"];
    static readonly string[] acts = ["retry-dead", "delete-dead", "enqueue", "schedule-run-now"];
    static readonly string[] changes = ["schedule-pause", "schedule-resume", "schedule-remove", "schedule-set"];

    [Fact]
    public async Task With_a_policy_it_is_an_endpoint_like_any_other()
    {
        await using var app = await StartWithUsersAsync(_ => { });

        using var nobody = await app.GetAsync("");
        using var reader = await app.GetAsync("", (Users.Header, "reader"), ("X-Forwarded-For", "10.0.0.1"), ("Host", "jobs.example.com"));

        Assert.Equal((HttpStatusCode.Unauthorized, HttpStatusCode.OK), (nobody.StatusCode, reader.StatusCode));
        Assert.Equal("Dashboard: " + app.Dashboard, Assert.Single(app.Logs.All, line => line.Event == 600).Text.Trim());
    }

    [Theory]
    [InlineData("nothing", false, false, false)]
    [InlineData("arguments", true, false, false)]
    [InlineData("act", false, true, false)]
    [InlineData("administer", false, false, true)]
    [InlineData("arguments act administer", true, true, true)]
    public async Task Each_right_shows_and_allows_its_own_things_and_no_others(string rights, bool seesArguments, bool acting, bool administering)
    {
        await using var app = await StartWithUsersAsync(options =>
        {
            (options.ViewArgumentsPolicy, options.ActPolicy, options.AdministerPolicy) = ("arguments", "act", "administer");
        });
        var (dead, done) = await WithJobsAsync(app);
        Task<string> LookAsync(string path) => PageAsync(app, rights, path);

        foreach (var path in pages.Concat([$"job?id={dead}", $"job?id={done}", $"jobs?id={dead}"]))
        {
            var page = await LookAsync(path);
            Assert.True(seesArguments || !page.Contains(Secret, StringComparison.Ordinal), path);
            Assert.True(acting || acts.All(act => !page.Contains($"action=\"{act}\"", StringComparison.Ordinal)), path);
            Assert.True(administering || changes.All(change => !page.Contains($"action=\"{change}\"", StringComparison.Ordinal)), path);
            Assert.True(acting || administering || !page.Contains("method=\"post\"", StringComparison.Ordinal), path);
        }

        Assert.Equal(seesArguments, (await LookAsync($"job?id={dead}")).Contains(Secret, StringComparison.Ordinal));
        Assert.Equal(seesArguments, (await LookAsync($"jobs?id={dead}")).Contains(Secret, StringComparison.Ordinal));
        Assert.Equal(seesArguments, (await LookAsync($"job?id={done}")).Contains($"read {Secret}", StringComparison.Ordinal));
        Assert.Equal(acting, (await LookAsync($"job?id={dead}")).Contains("action=\"retry-dead\"", StringComparison.Ordinal));
        Assert.Equal(acting, (await LookAsync("dead")).Contains("formaction=\"delete-dead\"", StringComparison.Ordinal));
        Assert.Equal(acting && seesArguments, (await LookAsync($"job?id={dead}")).Contains("action=\"enqueue\"", StringComparison.Ordinal));
        Assert.Equal(acting, (await LookAsync("schedules")).Contains("action=\"schedule-run-now\"", StringComparison.Ordinal));
        Assert.Equal(administering, (await LookAsync("schedules")).Contains("action=\"schedule-pause\"", StringComparison.Ordinal));
        using var form = await app.GetAsync("schedule", (Users.Header, rights));
        Assert.Equal(administering ? HttpStatusCode.OK : HttpStatusCode.Forbidden, form.StatusCode);

        // An empty form is read by those who may, and refused for what it lacks.
        Assert.All(await PostAllAsync(app, acts, rights), one => Assert.Equal(acting ? HttpStatusCode.BadRequest : HttpStatusCode.Forbidden, one));
        Assert.All(await PostAllAsync(app, changes, rights), one => Assert.Equal(administering ? HttpStatusCode.BadRequest : HttpStatusCode.Forbidden, one));
        var refused = app.Logs.All.Where(line => line.Event == 604).ToList();
        Assert.Equal((acting ? 0 : 4) + (administering ? 0 : 4), refused.Count);
        Assert.All(refused, line => Assert.Contains($"{rights} at 127.0.0.1", line.Text, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Who_may_not_see_arguments_cannot_guess_them_by_searching()
    {
        await using var app = await StartWithUsersAsync(options => options.ViewArgumentsPolicy = "arguments");
        var (dead, _) = await WithJobsAsync(app);

        foreach (var guess in new[] { "secret", "wrong" })
        {
            using var refused = await app.GetAsync($"jobs?args={guess}", (Users.Header, "act"));
            Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
            Assert.DoesNotContain(dead, await PageAsync(app, "act", $"jobs?q={guess}"), StringComparison.Ordinal);
        }

        using var answer = await PostAsync(app, "act", "retry-dead", ("found", "yes"), ("query.args", "secret"));
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Equal(1, (await app.LettersAsync()).Total);
        Assert.Contains(dead, await PageAsync(app, "arguments", "jobs?args=secret"), StringComparison.Ordinal);
        Assert.Contains(dead, await PageAsync(app, "act", "jobs?task=feeds.fetch"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_user_does_is_in_the_log_under_the_name_of_the_user()
    {
        await using var app = await StartWithUsersAsync(options => options.ActPolicy = "act");
        var id = await app.DeadAsync(FeedJobs.Fetch("cricket"));

        using var answer = await PostAsync(app, "act", "retry-dead", ("ids", id));

        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        app.MustHaveLogged(603, "act at 127.0.0.1", "retry dead letters", id, "(1)");
    }

    [Fact]
    public async Task Who_may_act_may_administer_unless_that_has_a_policy_of_its_own()
    {
        await using var app = await StartWithUsersAsync(options => options.ActPolicy = "act");

        Assert.All(await PostAllAsync(app, changes, "act"), one => Assert.Equal(HttpStatusCode.BadRequest, one));
        Assert.All(await PostAllAsync(app, changes, "administer"), one => Assert.Equal(HttpStatusCode.Forbidden, one));
    }

    [Fact]
    public async Task Read_only_means_that_nobody_changes_anything()
    {
        await using var app = await StartWithUsersAsync(options => options.ReadOnly = true);
        var (dead, done) = await WithJobsAsync(app);
        const string Everything = "arguments act administer";

        foreach (var path in pages.Concat([$"job?id={dead}", $"job?id={done}"]))
        {
            var page = await PageAsync(app, Everything, path);
            Assert.False(page.Contains("method=\"post\"", StringComparison.Ordinal), path);
            Assert.True(page.Contains("Read only", StringComparison.Ordinal), path);
        }

        using var form = await app.GetAsync("schedule", (Users.Header, Everything));
        Assert.Equal(HttpStatusCode.Forbidden, form.StatusCode);
        (string, string)[] fields = [("all", "yes"), ("confirm", "delete"), ("name", "prune"), ("task", "feeds.prune"), ("timing", "01:00:00")];
        foreach (var action in acts.Concat(changes))
        {
            using var answer = await PostAsync(app, Everything, action, fields);
            Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        }

        Assert.Equal(1, (await app.LettersAsync()).Total);
        Assert.DoesNotContain(app.Logs.All, line => line.Event == 603);
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

    // A dead job and one that has succeeded, both with an argument that not everybody may see.
    static async Task<(string Dead, string Done)> WithJobsAsync(DashboardApp app)
    {
        app.Feeds.Work = true;
        var done = (await app.Dispatcher.EnqueueAsync(FeedJobs.Fetch(Secret), TestContext.Current.CancellationToken)).Id;
        await app.JobAsync(done, JobState.Succeeded);
        app.Feeds.Work = false;
        var dead = await app.DeadAsync(FeedJobs.Fetch(Secret));
        var query = new JobQuery { ArgumentText = Secret };
        await Wait.Until(async () => (await app.Inspector.SearchAsync(query, TestContext.Current.CancellationToken)).Jobs.Any(job => job.Id == dead));
        await Wait.Until(async () => (await PageAsync(app, "arguments", "schedules")).Contains("prune", StringComparison.Ordinal));
        return (dead, done);
    }

    static async Task<string> PageAsync(DashboardApp app, string user, string path)
    {
        using var answer = await app.GetAsync(path, (Users.Header, user));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
    }

    static Task<HttpResponseMessage> PostAsync(DashboardApp app, string user, string action, params (string Name, string Value)[] fields) =>
        app.SendAsync(HttpMethod.Post, action, fields, (Users.Header, user), ("Sec-Fetch-Site", "same-origin"));

    static async Task<List<HttpStatusCode>> PostAllAsync(DashboardApp app, string[] actions, string user)
    {
        var statuses = new List<HttpStatusCode>();
        foreach (var action in actions)
        {
            using var answer = await PostAsync(app, user, action);
            statuses.Add(answer.StatusCode);
        }

        return statuses;
    }

    // A user is who the header says, and has a role for each word of it.
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

            var roles = name.Split(' ').Select(role => new Claim(ClaimTypes.Role, role));
            var identity = new ClaimsIdentity([new(ClaimTypes.Name, name), .. roles], Scheme.Name);
            return Task.FromResult(AuthenticateResult.Success(new(new(identity), Scheme.Name)));
        }
    }
}
