using Jobs;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Options;
using News;

if (!CommandLine.TryRead(args, out var options, out var problem))
{
    Console.Error.WriteLine($"{problem} --help lists the options.");
    return 2;
}

if (options.Help)
{
    Console.WriteLine(CommandLine.Usage);
    return 0;
}

try
{
    using var host = options.Has(Roles.Web) ? Site() : Background();
    await host.StartAsync();
    Console.WriteLine($"""

        News: {options.Roles.ToString().ToLowerInvariant()}
          jobs      {WhereJobsAre()}
          pages     {options.Site}
          dashboard {options.Site}/jobs
          database  {options.Database}
          Ctrl-C stops it.

        """);
    if (options.Has(Roles.Web))
    {
        await RefreshNowAsync(host);
    }

    await host.WaitForShutdownAsync();
    return 0;
}
catch (Exception e) when (e is IOException or SqliteException or ArgumentException or OptionsValidationException or JobsException)
{
    // An address in use, a file that cannot be written, or a wrong cron expression or password: a stack trace would
    // explain none of these better.
    Console.Error.WriteLine(e.Message);
    return 1;
}

IHost Site()
{
    var builder = WebApplication.CreateBuilder();
    Configure(builder);
    builder.WebHost.UseUrls(options.Urls.ToString());
    builder.Services.AddAuthentication(CookieAuthenticationDefaults.AuthenticationScheme).AddCookie(cookie => cookie.LoginPath = "/");
    builder.Services.AddAuthorization();
    var app = builder.Build();
    app.UseAuthentication();
    app.UseAuthorization();
    Pages.Map(app);
    LocalFeeds.Map(app);
    MapDashboard(app);
    return app;
}

void MapDashboard(WebApplication app)
{
    var dashboard = app.MapJobsDashboard("/jobs", dashboard => dashboard.Title = "News");
    if (options.Operator is { } name)
    {
        dashboard.RequireAuthorization(policy => policy.RequireUserName(name));
    }
}

IHost Background()
{
    var builder = Host.CreateApplicationBuilder();
    Configure(builder);
    return builder.Build();
}

void Configure(IHostApplicationBuilder builder)
{
    builder.Logging.AddSimpleConsole(console => (console.SingleLine, console.TimestampFormat) = (true, "HH:mm:ss "));
    builder.Logging.AddFilter("Microsoft", LogLevel.Warning).AddFilter("System", LogLevel.Warning);
    builder.Logging.AddFilter("Microsoft.AspNetCore.DataProtection", LogLevel.Error);
    builder.Services.AddSingleton(options);
    builder.Services.AddSingleton<NewsDb>();
    builder.Services.AddSingleton<Refreshes>();
    builder.Services.AddHttpClient<FeedClient>(http =>
    {
        http.Timeout = TimeSpan.FromSeconds(10);
        http.MaxResponseContentBufferSize = FeedClient.MaxBytes;
    });
    builder.Services.AddJobs(AddJobs);
}

void AddJobs(JobsBuilder jobs)
{
    jobs.AddTasks<NewsTasks>().AddTasks<ProfileTasks>();
    jobs.Configure(o => o.EnqueueTimeout = TimeSpan.FromSeconds(5)); // a reader is waiting for the login
    _ = options switch
    {
        { Broker: { } broker } => jobs.UseRabbitMq(broker),
        { InMemory: true } => jobs.UseInMemory(),
        _ => jobs.UseSqlite(options.Sqlite),
    };
    if (options.Has(Roles.Worker))
    {
        jobs.AddWorker();
    }

    if (options.Has(Roles.Beat))
    {
        jobs.AddBeat();
        foreach (var source in options.Feeds.Keys)
        {
            jobs.AddSchedule($"news.{source}", options.Cron, NewsJobs.Fetch(source).OnSuccess(NewsSteps.Store(source)));
        }
    }
}

string WhereJobsAre() => options switch
{
    { Broker: { } broker } => $"in RabbitMQ at {broker[(broker.LastIndexOf('@') + 1)..]}",
    { InMemory: true } => "in this process's memory",
    _ => $"in {options.Sqlite}",
};

// The first reader should not have to wait for the schedule.
async Task RefreshNowAsync(IHost host)
{
    var stopping = host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
    try
    {
        await host.Services.GetRequiredService<Refreshes>().StartAsync(stopping);
    }
    catch (JobPublishException e)
    {
        Console.Error.WriteLine($"Not refreshed at start: {e.Message} The schedule will do it.");
    }
}
