using System.Net;
using System.Text.RegularExpressions;
using Jobs.Contracts;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Jobs.DashboardTests;

/// <summary>A web application with a dashboard and a worker, on a free port of this machine.</summary>
public sealed class DashboardApp : IAsyncDisposable
{
    readonly WebApplication app;
    readonly string folder;

    DashboardApp(WebApplication app, string folder, LogLines logs, Feeds feeds)
    {
        (this.app, this.folder, Logs, Feeds) = (app, folder, logs, feeds);
        Root = new(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        Http = Client();
    }

    public Uri Root { get; }

    /// <summary>The first page.</summary>
    public Uri Dashboard => new(Root, "/jobs/");

    public LogLines Logs { get; }

    public Feeds Feeds { get; }

    public IServiceProvider Services => app.Services;

    public IJobDispatcher Dispatcher => Services.GetRequiredService<IJobDispatcher>();

    public JobInspector Inspector => Services.GetRequiredService<JobInspector>();

    /// <summary>Asks as a browser on this machine does, and follows no redirect.</summary>
    public HttpClient Http { get; }

    public HttpClient Client(bool followsRedirects = false, CookieContainer? cookies = null)
    {
        var handler = new SocketsHttpHandler { AllowAutoRedirect = followsRedirects, UseCookies = cookies is not null };
        if (cookies is not null)
        {
            handler.CookieContainer = cookies;
        }

        return new(handler) { BaseAddress = Root, Timeout = Wait.Deadline };
    }

    public static async Task<DashboardApp> StartAsync(AppSetup? setup = null)
    {
        setup ??= new();
        var folder = Directory.CreateTempSubdirectory("jobs-dashboard-").FullName;
        var (logs, feeds) = (new LogLines(), new Feeds());
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions
        {
            EnvironmentName = setup.Environment,
            ApplicationName = "Feeds",
            ContentRootPath = folder,
            Args = setup.Arguments,
        });
        builder.WebHost.UseUrls($"http://{setup.Address}:0");
        builder.Logging.ClearProviders().SetMinimumLevel(LogLevel.Information).AddProvider(logs);
        builder.Services.AddSingleton(feeds);
        builder.Services.AddJobs(jobs =>
        {
            jobs.AddTasks<FeedTasks>().Configure(o => o.DefaultQueue = setup.Queue);
            if (setup.Transport is { } transport)
            {
                transport(jobs);
            }
            else
            {
                jobs.UseSqlite(Path.Combine(folder, "jobs.db"));
            }

            if (setup.HasWorker)
            {
                jobs.AddWorker().AddBeat();
            }

            setup.Jobs(jobs);
        });
        setup.Services(builder.Services);
        var app = builder.Build();
        if (setup.Map is { } map)
        {
            map(app);
        }
        else
        {
            setup.Endpoint(app.MapJobsDashboard("/jobs", setup.Options));
        }

        await app.StartAsync(TestContext.Current.CancellationToken);
        return new(app, folder, logs, feeds);
    }

    /// <summary>Asks for a page, and returns the whole answer.</summary>
    public Task<HttpResponseMessage> GetAsync(string path, params (string Name, string Value)[] headers) => SendAsync(HttpMethod.Get, path, null, headers);

    /// <summary>Sends a request with a form, or without one.</summary>
    public async Task<HttpResponseMessage> SendAsync(
        HttpMethod method, string path, (string Name, string Value)[]? form, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, new Uri(Dashboard, path))
        {
            Content = form is null ? null : new FormUrlEncodedContent(form.Select(field => KeyValuePair.Create(field.Name, field.Value))),
        };
        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return await Http.SendAsync(request, TestContext.Current.CancellationToken);
    }

    /// <summary>The text of a page, which must be there.</summary>
    public async Task<string> PageAsync(string path)
    {
        using var answer = await Http.GetAsync(new Uri(Dashboard, path), TestContext.Current.CancellationToken);
        var text = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(answer.StatusCode is HttpStatusCode.OK, $"{path}: {answer.StatusCode}\n{text}");
        return text;
    }

    /// <summary>Waits until a page has a text.</summary>
    public async Task<string> PageWithAsync(string path, string text)
    {
        var page = "";
        await Wait.Until(async () => (page = await PageAsync(path)).Contains(text, StringComparison.Ordinal), $"{path} has {text}");
        return page;
    }

    /// <summary>Sends a form, as a browser does from a page of the dashboard.</summary>
    public Task<HttpResponseMessage> PostAsync(string action, params (string Name, string Value)[] fields) =>
        SendAsync(HttpMethod.Post, action, fields, ("Sec-Fetch-Site", "same-origin"));

    /// <summary>The id in the redirect of an action.</summary>
    public static string IdOf(HttpResponseMessage answer)
    {
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        return Uri.UnescapeDataString(Regex.Match(answer.Headers.Location!.ToString(), "[?&]id=([^&]*)").Groups[1].Value);
    }

    /// <summary>Enqueues a job that dies, and waits until its letter is in the index.</summary>
    public async Task<string> DeadAsync(Job job)
    {
        var handle = await Dispatcher.EnqueueAsync(job, TestContext.Current.CancellationToken);
        await Wait.Until(async () => (await LettersAsync(new() { Ids = [handle.Id] })).Total == 1);
        return handle.Id;
    }

    /// <summary>Fails unless one line of the log has the id of the event, and all of the parts.</summary>
    public void MustHaveLogged(int id, params string[] parts) =>
        Assert.Contains(Logs.All, line => line.Event == id && parts.All(part => line.Text.Contains(part, StringComparison.Ordinal)));

    /// <summary>The dead letters that the query selects, or all.</summary>
    public Task<DeadLetterPage> LettersAsync(DeadLetterQuery? query = null) =>
        Inspector.DeadLettersAsync(query ?? new(), cancellationToken: TestContext.Current.CancellationToken);

    /// <summary>Waits until a job has come to a state.</summary>
    public async Task<JobInfo> JobAsync(string id, JobState state)
    {
        JobInfo? job = null;
        await Wait.Until(async () => (job = await Inspector.GetJobAsync(id, TestContext.Current.CancellationToken)).State == state, $"the job is {state}");
        return job!;
    }

    public async ValueTask DisposeAsync()
    {
        Feeds.Release.TrySetResult();
        Http.Dispose();
        await app.StopAsync(CancellationToken.None);
        await app.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }
}

/// <summary>What is different in the application of one test.</summary>
public sealed record AppSetup
{
    public string Environment { get; init; } = "Development";

    public string[] Arguments { get; init; } = [];

    /// <summary>The address of this machine that the application listens on.</summary>
    public string Address { get; init; } = "127.0.0.1";

    public string Queue { get; init; } = "feeds";

    public bool HasWorker { get; init; } = true;

    /// <summary>Chooses the transport; SQLite when it is missing.</summary>
    public Action<JobsBuilder>? Transport { get; init; }

    public Action<JobsBuilder> Jobs { get; init; } = _ => { };

    public Action<IServiceCollection> Services { get; init; } = _ => { };

    public Action<JobsDashboardOptions>? Options { get; init; }

    public Action<IEndpointConventionBuilder> Endpoint { get; init; } = _ => { };

    /// <summary>Builds the pipeline, instead of one dashboard at /jobs.</summary>
    public Action<WebApplication>? Map { get; init; }
}
