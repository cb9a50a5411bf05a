using System.Diagnostics;
using System.Net;
using System.Text.RegularExpressions;
using Jobs.Brokers;
using Jobs.Contracts;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Jobs.DashboardTests;

/// <summary>The dashboard works wherever it is put: a visitor who follows every link stays in it.</summary>
public sealed partial class AddressTests
{
    [Theory]
    [InlineData("/jobs", "/jobs")]
    [InlineData("/jobs", "/jobs/")]
    [InlineData("/jobs/", "/jobs")]
    [InlineData("jobs", "/jobs/failures/")]
    [InlineData("/", "/")]
    [InlineData("", "/")]
    [InlineData("/x/jobs", "/x/jobs")]
    public async Task Every_link_of_every_page_leads_somewhere(string pattern, string entry)
    {
        await using var app = await DashboardApp.StartAsync(new() { HasWorker = false, Map = web => web.MapJobsDashboard(pattern) });

        await FollowAllAsync(app, entry);
    }

    [Fact]
    public async Task Below_a_path_base_every_link_leads_somewhere()
    {
        await using var app = await DashboardApp.StartAsync(new()
        {
            HasWorker = false,
            Map = web =>
            {
                web.UsePathBase("/shop");
                web.UseRouting();
                web.MapJobsDashboard("/jobs");
            },
        });

        await FollowAllAsync(app, "/shop/jobs");
    }

    [Fact]
    public async Task Beside_a_catch_all_route_every_link_leads_somewhere()
    {
        await using var app = await DashboardApp.StartAsync(new()
        {
            HasWorker = false,
            Map = web =>
            {
                web.MapGet("/{**path}", () => Microsoft.AspNetCore.Http.Results.Text("the application's own page"));
                web.MapJobsDashboard("/jobs");
                web.MapFallback(() => Microsoft.AspNetCore.Http.Results.Text("the application's fallback"));
            },
        });

        await FollowAllAsync(app, "/jobs");
        Assert.Equal("the application's own page", await app.Http.GetStringAsync(new Uri(app.Root, "/jobsearch"), TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("location /ops/ { proxy_pass http://127.0.0.1:APP/; proxy_set_header X-Forwarded-For $remote_addr; }", "/ops/jobs")]
    [InlineData("location /ops/jobs/ { proxy_pass http://127.0.0.1:APP/jobs/; proxy_set_header Host $http_host; }", "/ops/jobs/")]
    public async Task Behind_a_proxy_that_cuts_off_the_prefix_every_link_leads_somewhere(string location, string entry)
    {
        await using var app = await DashboardApp.StartAsync(new() { HasWorker = false, Map = web => web.MapJobsDashboard("/jobs").AllowAnonymous() });
        await using var nginx = await Nginx.StartAsync(location.Replace("APP", $"{app.Root.Port}", StringComparison.Ordinal));

        await FollowAllAsync(app, new Uri(nginx.Root, entry).ToString());
    }

    [Fact]
    public async Task Behind_a_plain_proxy_pass_of_nginx_nobody_gets_in()
    {
        await using var app = await DashboardApp.StartAsync(new() { HasWorker = false });
        await using var nginx = await Nginx.StartAsync($"location / {{ proxy_pass {app.Root}; }}");

        using var answer = await app.Http.GetAsync(new Uri(nginx.Root, "/jobs/"), TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
    }

    /// <summary>Follows every link, form and file, as far as they lead to pages that were not seen before.</summary>
    static async Task FollowAllAsync(DashboardApp app, string entry)
    {
        using var http = app.Client(followsRedirects: true);
        var (seen, left) = (new HashSet<string>(StringComparer.Ordinal), new Queue<Uri>([new(app.Root, entry)]));
        string? folder = null;
        while (left.TryDequeue(out var next))
        {
            if (Actions().IsMatch(next.AbsolutePath))
            {
                await SendEmptyAsync(http, next);
                continue;
            }

            using var answer = await http.GetAsync(next, TestContext.Current.CancellationToken);
            var (at, text) = (answer.RequestMessage!.RequestUri!, await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
            Assert.True(answer.IsSuccessStatusCode, $"{next}: {answer.StatusCode}");
            folder ??= new Uri(at, ".").AbsolutePath;
            Assert.StartsWith(folder, at.AbsolutePath, StringComparison.Ordinal);
            Assert.Contains("default-src 'none'", Assert.Single(answer.Headers.GetValues("Content-Security-Policy")), StringComparison.Ordinal);
            if (answer.Content.Headers.ContentType?.MediaType != "text/html")
            {
                continue;
            }

            foreach (var address in Addresses().Matches(text).Select(match => WebUtility.HtmlDecode(match.Groups[1].Value)))
            {
                Assert.DoesNotMatch("^(/|[a-z]+:)", address);
                var target = new Uri(at, address);
                if (!address.StartsWith('#') && seen.Add(target.GetLeftPart(UriPartial.Path)))
                {
                    left.Enqueue(target);
                }
            }
        }

        string[] pages = ["", "failures", "queues", "jobs", "workers", "schedules", "dead", "schedule"];
        Assert.Superset(pages.Select(page => folder + page).ToHashSet(), seen.Select(one => new Uri(one).AbsolutePath).ToHashSet());
        Assert.Equal(3, seen.Count(one => Files().IsMatch(one)));
    }

    [GeneratedRegex(@"(?:href|src|action)=""([^""]*)""")]
    private static partial Regex Addresses();

    // It is there, and misses what a person would have filled in.
    static async Task SendEmptyAsync(HttpClient http, Uri action)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, action) { Content = new FormUrlEncodedContent([]) };
        request.Headers.Add("Sec-Fetch-Site", "same-origin");
        using var answer = await http.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
    }

    [GeneratedRegex("/(schedule-|retry-|delete-|enqueue)")]
    private static partial Regex Actions();

    [GeneratedRegex(@"\.[0-9a-f]{12}\.(css|js|svg)$")]
    private static partial Regex Files();
}

/// <summary>An nginx on a free port, with one location.</summary>
sealed class Nginx : IAsyncDisposable
{
    readonly Process process;
    readonly string folder;

    Nginx(Process process, string folder, int port) => (this.process, this.folder, Root) = (process, folder, new($"http://127.0.0.1:{port}"));

    public Uri Root { get; }

    public static async Task<Nginx> StartAsync(string location)
    {
        var folder = Directory.CreateTempSubdirectory("jobs-nginx-").FullName;
        var port = FreePorts.Take(1)[0];
        var file = Path.Combine(folder, "nginx.conf");
        await File.WriteAllTextAsync(file, $$"""
            daemon off; master_process off; error_log stderr; pid {{folder}}/pid;
            events { }
            http {
              access_log off;
              client_body_temp_path {{folder}}/body;
              proxy_temp_path {{folder}}/proxy;
              fastcgi_temp_path {{folder}}/fastcgi;
              uwsgi_temp_path {{folder}}/uwsgi;
              scgi_temp_path {{folder}}/scgi;
              server { listen 127.0.0.1:{{port}}; {{location}} }
            }
            """);
        var program = new[] { "/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx" }.FirstOrDefault(File.Exists)
            ?? throw new InvalidOperationException("These tests need nginx: apt-get install nginx-light. tests/run.sh does it by itself.");
        var process = Process.Start(new ProcessStartInfo(program, ["-p", folder, "-c", file]) { RedirectStandardError = true })!;
        var nginx = new Nginx(process, folder, port);
        using var http = new HttpClient();
        await Wait.Until(async () =>
        {
            Assert.False(process.HasExited, "nginx ended at its start");
            try
            {
                using var answer = await http.GetAsync(new Uri(nginx.Root, "/not-there"));
                return true;
            }
            catch (HttpRequestException)
            {
                return false;
            }
        });
        return nginx;
    }

    public async ValueTask DisposeAsync()
    {
        process.Kill();
        await process.WaitForExitAsync();
        process.Dispose();
        Directory.Delete(folder, recursive: true);
    }
}
