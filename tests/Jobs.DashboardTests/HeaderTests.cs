using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;

namespace Jobs.DashboardTests;

/// <summary>What every answer of an open dashboard tells the browser to keep to itself. Of a closed one: <see cref="ClosedDoorTests"/>.</summary>
public sealed partial class HeaderTests(HeaderTests.Site site) : IClassFixture<HeaderTests.Site>
{
    static readonly (string, string)[] here = [("Sec-Fetch-Site", "same-origin")];
    static readonly (string, string)[] away = [("X-Forwarded-For", "10.0.0.1")];
    static readonly (string, string)[] part = [("Jobs-Fragment", "1")];

    static readonly Dictionary<string, (string Method, string Path, (string, string)[] Headers, (string, string)[]? Form, int Status)> all = new()
    {
        ["now"] = ("GET", "", [], null, 200),
        ["now, without the last stroke"] = ("GET", "../jobs", [], null, 302),
        ["failures"] = ("GET", "failures", [], null, 200),
        ["failures, with a stroke"] = ("GET", "failures/", [], null, 302),
        ["queues"] = ("GET", "queues", [], null, 200),
        ["jobs"] = ("GET", "jobs", [], null, 200),
        ["a job"] = ("GET", "job?id=1", [], null, 200),
        ["workers"] = ("GET", "workers", [], null, 200),
        ["schedules"] = ("GET", "schedules", [], null, 200),
        ["the form of a schedule"] = ("GET", "schedule", [], null, 200),
        ["dead letters"] = ("GET", "dead", [], null, 200),
        ["a request"] = ("GET", "request?id=r1", [], null, 200),
        ["no page"] = ("GET", "no-page", [], null, 404),
        ["an action, after a login"] = ("GET", "retry-dead", [], null, 302),
        ["only the head"] = ("HEAD", "failures", [], null, 200),
        ["a part"] = ("GET", "dead", part, null, 200),
        ["a part that has not changed"] = ("GET", "dead", [.. part, ("If-None-Match", "TAG")], null, 304),
        ["another method"] = ("PUT", "dead", here, null, 405),
        ["a form from elsewhere"] = ("POST", "retry-dead", [("Sec-Fetch-Site", "cross-site")], [("ids", "1")], 403),
        ["no action"] = ("POST", "no-action", here, [], 404),
        ["an empty form"] = ("POST", "retry-dead", here, [], 400),
        ["a question"] = ("POST", "delete-dead", here, [("ids", "1")], 200),
        ["an action"] = ("POST", "retry-dead", here, [("ids", "1")], 303),
        ["a bug"] = ("POST", "enqueue", here, [("task", "feeds.fetch")], 500),
        ["the token"] = ("GET", "?token=TOKEN", away, null, 200),
    };

    static readonly string[] files = ["css", "js", "svg"];

    public static TheoryData<string> Answers => [.. all.Keys];

    [Theory]
    [MemberData(nameof(Answers))]
    public async Task Every_answer_is_kept_to_itself(string name)
    {
        var (method, path, headers, form, status) = all[name];
        path = path.Replace("TOKEN", site.Token, StringComparison.Ordinal);
        headers = [.. headers.Select(header => header with { Item2 = header.Item2.Replace("TAG", site.Tag, StringComparison.Ordinal) })];

        using var answer = await site.App.SendAsync(new(method), path, form, headers);

        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Equal("no-store", Header(answer, "Cache-Control"));
        MustBeStrict(answer, isSiteKnown: headers.Any(header => header.Item1 == "Sec-Fetch-Site"));
    }

    [Fact]
    public async Task A_file_may_be_kept_for_ever_because_its_name_changes_with_it()
    {
        var page = await site.App.PageAsync("");
        var names = Files().Matches(page).Select(match => match.Groups[1].Value).ToList();
        Assert.Equal(files.Order(), names.Select(name => name.Split('.')[^1]).Order());

        foreach (var name in names)
        {
            using var answer = await site.App.GetAsync(name);
            Assert.Equal(200, (int)answer.StatusCode);
            Assert.Equal("private, max-age=31536000, immutable", Header(answer, "Cache-Control"));
            MustBeStrict(answer, isSiteKnown: false);
        }
    }

    static void MustBeStrict(HttpResponseMessage answer, bool isSiteKnown)
    {
        var policy = Header(answer, "Content-Security-Policy").Split("; ").Select(part => part.Split(' ', 2)).ToDictionary(part => part[0], part => part[1]);
        Assert.Equal(("'none'", "'none'", "'none'"), (policy["default-src"], policy["frame-ancestors"], policy["base-uri"]));
        Assert.All(policy, part => Assert.Contains(part.Value, new[] { "'none'", "'self'" }));
        Assert.Equal("nosniff", Header(answer, "X-Content-Type-Options"));
        Assert.Equal("DENY", Header(answer, "X-Frame-Options"));
        Assert.Equal(isSiteKnown ? "no-referrer" : "same-origin", Header(answer, "Referrer-Policy"));
        Assert.Equal("same-origin", Header(answer, "Cross-Origin-Opener-Policy"));
        Assert.Equal("same-origin", Header(answer, "Cross-Origin-Resource-Policy"));
    }

    static string Header(HttpResponseMessage answer, string name) => Assert.Single(answer.Headers.NonValidated[name]);

    [GeneratedRegex(@"(?:href|src)=""([a-z]+\.[0-9a-f]{12}\.[a-z]+)""")]
    private static partial Regex Files();

    /// <summary>One dashboard for all answers.</summary>
    public sealed class Site : IAsyncLifetime
    {
        readonly Canned canned = new();

        public DashboardApp App { get; private set; } = null!;

        public string Tag { get; private set; } = "";

        public string Token => App.Logs.All.First(line => line.Event == 600).Text.Split("token=")[1].Split(')')[0];

        public async ValueTask InitializeAsync()
        {
            App = await DashboardApp.StartAsync(new()
            {
                HasWorker = false,
                Services = services => services.AddSingleton<JobInspector>(canned).AddSingleton(canned.Control),
            });
            using var first = await App.GetAsync("dead", part);
            Tag = first.Headers.ETag!.ToString();
        }

        public ValueTask DisposeAsync() => App.DisposeAsync();
    }
}
