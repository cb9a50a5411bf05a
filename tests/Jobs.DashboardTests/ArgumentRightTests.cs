using System.Net;
using Microsoft.Extensions.DependencyInjection;

namespace Jobs.DashboardTests;

/// <summary>Whoever may not see arguments does not learn them in another way either.</summary>
public sealed class ArgumentRightTests
{
    [Fact]
    public async Task Nobody_guesses_arguments_by_searching_for_them()
    {
        await using var app = await StartAsync();
        var id = await app.DeadAsync(FeedJobs.Fetch("cricket"));
        await app.PageWithAsync("jobs", id);

        using var search = await app.Http.GetAsync(new Uri(app.Dashboard, "jobs?args=cricket"), TestContext.Current.CancellationToken);
        using var retry = await app.PostAsync("retry-dead", ("found", "yes"), ("query.args", "cricket"));

        Assert.Equal((HttpStatusCode.Forbidden, HttpStatusCode.BadRequest), (search.StatusCode, retry.StatusCode));
        Assert.DoesNotContain(id, await app.PageAsync("jobs?q=cricket"), StringComparison.Ordinal);
        Assert.DoesNotContain("name=\"args\"", await app.PageAsync("jobs"), StringComparison.Ordinal);
        Assert.Contains(id, await app.PageAsync($"jobs?q={id[..10]}"), StringComparison.Ordinal);
        Assert.Equal(1, (await app.LettersAsync()).Total);
    }

    [Fact]
    public async Task A_schedule_keeps_arguments_that_its_editor_may_not_see()
    {
        await using var app = await StartAsync();
        await SetAsync(app);

        Assert.DoesNotContain("cricket", await app.PageAsync("schedule?name=evening"), StringComparison.Ordinal);
        await SaveAsync(app, ("timing", "02:00:00"));

        Assert.Equal(("""["cricket"]""", """{"password":"hunter2"}"""), await ArgumentsAsync(app, TimeSpan.FromHours(2)));
    }

    [Fact]
    public async Task A_schedule_is_shown_without_what_is_sensitive_and_keeps_it_until_somebody_writes_over_it()
    {
        await using var app = await DashboardApp.StartAsync();
        await SetAsync(app);

        var page = await app.PageAsync("schedule?name=evening");
        Assert.Contains("cricket", page, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", page, StringComparison.Ordinal);
        await SaveAsync(app, ("timing", "02:00:00"), ("args", """["cricket"]"""), ("kwargs", """{"password":"***"}"""));
        Assert.Equal(("""["cricket"]""", """{"password":"hunter2"}"""), await ArgumentsAsync(app, TimeSpan.FromHours(2)));

        using var gap = await app.PostAsync(
            "schedule-set", ("name", "evening"), ("task", "feeds.fetch"), ("timing", "03:00:00"), ("kwargs", """{"password": "***", "a": 1}"""));
        Assert.Equal(HttpStatusCode.BadRequest, gap.StatusCode);
        await SaveAsync(app, ("timing", "03:00:00"), ("args", "[]"), ("kwargs", """{"password":"other"}"""));
        Assert.Equal(("[]", """{"password":"other"}"""), await ArgumentsAsync(app, TimeSpan.FromHours(3)));
    }

    [Fact]
    public async Task A_sensitive_parameter_of_a_schedule_is_hidden_also_by_its_position()
    {
        await using var app = await DashboardApp.StartAsync();
        var job = new Job("feeds.login", ["ann", "4711"]);
        await Schedules(app).SetAsync("evening", TimeSpan.FromHours(1), job, cancellationToken: TestContext.Current.CancellationToken);

        var page = await app.PageAsync("schedule?name=evening");

        Assert.Contains("[&quot;ann&quot;,&quot;***&quot;]", page, StringComparison.Ordinal);
        Assert.DoesNotContain("4711", page, StringComparison.Ordinal);
        using var saved = await app.PostAsync(
            "schedule-set", ("name", "evening"), ("task", "feeds.login"), ("timing", "02:00:00"), ("args", """["ann","***"]"""), ("kwargs", "{}"));
        Assert.Equal(("""["ann","4711"]""", "{}"), await ArgumentsAsync(app, TimeSpan.FromHours(2)));
    }

    [Fact]
    public async Task Long_arguments_of_a_schedule_are_saved_in_full()
    {
        await using var app = await DashboardApp.StartAsync();
        var args = $"""["{new string('x', 5_000)}"]""";
        await SetAsync(app);

        await SaveAsync(app, ("timing", "02:00:00"), ("args", args), ("kwargs", "{}"));

        Assert.Equal((args, "{}"), await ArgumentsAsync(app, TimeSpan.FromHours(2)));
    }

    [Fact]
    public async Task A_change_of_a_schedule_keeps_what_its_form_does_not_show()
    {
        await using var app = await DashboardApp.StartAsync();
        var headers = new Dictionary<string, object?> { ["tenant"] = "north" };
        var job = new Job("feeds.store", ["text"]) { Delay = TimeSpan.FromMinutes(2), Expires = TimeSpan.FromHours(5), Priority = 3, Headers = headers };
        await Schedules(app).SetAsync("night", TimeSpan.FromHours(1), job, cancellationToken: TestContext.Current.CancellationToken);

        using var answer = await app.PostAsync(
            "schedule-set", ("name", "night"), ("task", "feeds.store"), ("timing", "02:00:00"), ("args", """["other"]"""));

        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        var night = await ScheduleAsync(app, "night", TimeSpan.FromHours(2));
        Assert.Equal(
            ("""["other"]""", job.Delay, job.Expires, job.Priority, "north"),
            (night.Arguments, night.Delay, night.Expires, night.Priority, night.Headers?["tenant"]));
    }

    static Task<DashboardApp> StartAsync() => DashboardApp.StartAsync(new()
    {
        Services = services => services.AddAuthorization(authorization => authorization.AddPolicy("nobody", policy => policy.RequireAssertion(_ => false))),
        Options = options => options.ViewArgumentsPolicy = "nobody",
    });

    static JobSchedules Schedules(DashboardApp app) => app.Services.GetRequiredService<JobSchedules>();

    static Task SetAsync(DashboardApp app) => Schedules(app).SetAsync(
        "evening",
        TimeSpan.FromHours(1),
        new Job("feeds.fetch", ["cricket"], new Dictionary<string, object?> { ["password"] = "hunter2" }),
        cancellationToken: TestContext.Current.CancellationToken);

    static async Task SaveAsync(DashboardApp app, params (string Name, string Value)[] fields)
    {
        using var answer = await app.PostAsync("schedule-set", [("name", "evening"), ("task", "feeds.fetch"), .. fields]);
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
    }

    static async Task<(string? Arguments, string? Named)> ArgumentsAsync(DashboardApp app, TimeSpan every)
    {
        var schedule = await ScheduleAsync(app, "evening", every);
        return (schedule.Arguments, schedule.NamedArguments);
    }

    static async Task<ScheduleInfo> ScheduleAsync(DashboardApp app, string name, TimeSpan every)
    {
        ScheduleInfo? schedule = null;
        await Contracts.Wait.Until(async () =>
        {
            schedule = (await Schedules(app).ListAsync(TestContext.Current.CancellationToken)).Single(one => one.Name == name);
            return schedule.Every == every;
        });
        return schedule!;
    }
}
