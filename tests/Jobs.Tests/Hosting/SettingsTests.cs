using Jobs.Settings;
using Jobs.Tests.Working;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Xunit;

namespace Jobs.Tests.Hosting;

/// <summary>A setting is read as its writer meant it, or the host does not start and says why.</summary>
public sealed class SettingsTests
{
    /// <summary>azure-webjobs-sdk-extensions #247; dotnet/runtime #40316, #93850</summary>
    [Theory]
    [InlineData("90s", 90)]
    [InlineData("15m", 15 * 60)]
    [InlineData("15 min", 15 * 60)]
    [InlineData("24h", 24 * 3600)]
    [InlineData("1.5h", 5400)]
    [InlineData("7d", 7 * 86400)]
    [InlineData("500ms", 0.5)]
    [InlineData("-1ms", -0.001)]
    [InlineData("00:00:30", 30)]
    [InlineData("00:30", 1800)]
    [InlineData("23:59:59", 86399)]
    [InlineData("1.00:00:00", 86400)]
    [InlineData("24.00:00:00", 24 * 86400)]
    [InlineData("-00:00:00.0010000", -0.001)]
    public void A_time_with_a_unit_is_read(string text, double seconds)
    {
        Assert.Null(Duration.Problem(text, out var time));
        Assert.Equal(TimeSpan.FromSeconds(seconds), time);
    }

    /// <summary>azure-webjobs-sdk-extensions #247; dotnet/runtime #40316, #93850</summary>
    [Theory]
    [InlineData("30", "30 days", "30s")]
    [InlineData("0", "0 days", "0s")]
    [InlineData("24:00:00", "24 days", "24h")]
    [InlineData("24:00", "24 days", "24h")]
    [InlineData("168:00:00", "168 days", "168h")]
    [InlineData("soon", "is not a time", "90s")]
    [InlineData("", "is not a time", "90s")]
    [InlineData("5 weeks", "is not a time", "90s")]
    [InlineData("00:61:00", "is not a time", "90s")]
    [InlineData("99999999999d", "is longer", "")]
    public void A_time_that_says_something_else_to_NET_than_to_its_writer_is_refused_with_both_readings(string text, string reading, string remedy)
    {
        var problem = Duration.Problem(text, out _);
        Assert.Contains(reading, problem, StringComparison.Ordinal);
        Assert.Contains(remedy, problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Times_of_all_parts_are_read_with_their_units()
    {
        var host = await StartedAsync(
            ("Jobs:EnqueueTimeout", "90s"), ("Jobs:Worker:DrainTimeout", "1m"), ("Jobs:Beat:MisfireThreshold", "2h"), ("Jobs:Beat:Schedules:nightly:Every", "24h"),
            ("Jobs:Beat:Schedules:nightly:Task", "t"));
        await using var running = host;

        Assert.Equal(TimeSpan.FromSeconds(90), host.Services.GetRequiredService<IOptions<JobsOptions>>().Value.EnqueueTimeout);
        Assert.Equal(TimeSpan.FromMinutes(1), host.Services.GetRequiredService<IOptions<WorkerOptions>>().Value.DrainTimeout);
        var beat = host.Services.GetRequiredService<IOptions<BeatOptions>>().Value;
        Assert.Equal((TimeSpan.FromHours(2), TimeSpan.FromHours(24)), (beat.MisfireThreshold, beat.Schedules["nightly"].Every));
    }

    /// <summary>dotnet/extensions #785</summary>
    [Fact]
    public async Task All_settings_that_do_not_fit_come_at_once_with_everything_else_that_is_wrong()
    {
        var problems = await ProblemsAsync(
            ("Jobs:MaxRetrys", "5"),
            ("Jobs:MaxRetries", "many"),
            ("Jobs:RetryDelay", "30"),
            ("Jobs:Workers:Concurrency", "5"),
            ("Jobs:Worker", "news"),
            ("Jobs:Beat:MisfireCap", "0"),
            ("Jobs:Beat:Schedules:a:Task", "t"),
            ("Jobs:Beat:Schedules:a:Cron", "@daily"),
            ("Jobs:Beat:Schedules:a:Arguments:source", "espn"),
            ("Jobs:Beat:Schedules:b:Task", "t"),
            ("Jobs:Beat:Schedules:b:Every", "24:00:00"),
            ("Jobs:Beat:Schedules:c:Task", "t"),
            ("Jobs:Beat:Schedules:c:Cron", "@daily"),
            ("Jobs:Beat:Schedules:c:Misfire", "2"),
            ("Jobs:Beat:Schedules:c:Queues", "news"),
            ("Jobs:Beat:Schedules:d", "daily"));

        string[] expected =
        [
            "Jobs:MaxRetrys is no setting of Jobs; did you mean Jobs:MaxRetries?",
            "Jobs:MaxRetries 'many' is not a whole number.",
            "Jobs:RetryDelay '30' has no unit",
            "Jobs:Workers is no setting of Jobs; did you mean Jobs:Worker?",
            "Jobs:Worker is 'news', and should be a section",
            "Jobs:Beat:MisfireCap 0: must be 1 or more.",
            "Jobs:Beat:Schedules:a:Arguments is a section or a list, and should be one text; where JSON is wanted",
            "Jobs:Beat:Schedules:b:Every '24:00:00' has more than 23 hours",
            "Jobs:Beat:Schedules:c:Misfire '2' is not one of Once, Skip, All.",
            "Jobs:Beat:Schedules:d is 'daily', and should be a section",
            "Jobs:Beat:Schedules:c:Queues is no setting of Jobs; did you mean Jobs:Beat:Schedules:c:Queue?",
        ];
        Assert.All(expected, e => Assert.Contains(problems, p => p.StartsWith(e, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Settings_of_events_and_the_name_of_a_worker_are_read()
    {
        await using var host = await StartedAsync(("Jobs:Events", "all"), ("Jobs:SendSentEvents", "true"), ("Jobs:Worker:Name", "news@web1"));

        var jobs = host.Services.GetRequiredService<IOptions<JobsOptions>>().Value;
        Assert.Equal((EventLevel.All, true), (jobs.Events, jobs.SendSentEvents));
        Assert.Equal("news@web1", host.Services.GetRequiredService<IOptions<WorkerOptions>>().Value.Name);
        Assert.Equal((EventLevel.Default, false), (new JobsOptions().Events, new JobsOptions().SendSentEvents));
    }

    [Fact]
    public async Task Configuration_adds_names_whose_values_are_hidden()
    {
        await using var host = await StartedAsync(("Jobs:SensitiveNames:0", "iban"), ("Jobs:SensitiveNames:1", "pin"));

        Assert.Equal([.. new JobsOptions().SensitiveNames, "iban", "pin"], host.Services.GetRequiredService<IOptions<JobsOptions>>().Value.SensitiveNames);
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("_-_")]
    public async Task A_name_that_would_hide_every_value_fails_the_start(string name) => Assert.StartsWith(
        "Jobs:SensitiveNames: an entry is empty", Assert.Single(await ProblemsAsync(("Jobs:SensitiveNames:0", name))), StringComparison.Ordinal);

    [Theory]
    [InlineData("Jobs:Events", "Some", "Jobs:Events 'Some' is not one of Off, Default, All.")]
    [InlineData("Jobs:Events", "2", "Jobs:Events '2' is not one of Off, Default, All.")]
    [InlineData("Jobs:Worker:Name", "two words", "Jobs:Worker:Name 'two words': must be a name, or name@machine")]
    [InlineData("Jobs:Worker:Name", "a@b@c", "Jobs:Worker:Name 'a@b@c': must be")]
    [InlineData("Jobs:Worker:Name", "@web1", "Jobs:Worker:Name '@web1': must be")]
    public async Task Settings_of_events_that_do_not_fit_fail_the_start(string key, string value, string says) =>
        Assert.StartsWith(says, Assert.Single(await ProblemsAsync((key, value))), StringComparison.Ordinal);

    [Fact]
    public async Task Events_of_enqueues_from_a_process_without_events_fail_the_start() => Assert.StartsWith(
        "Jobs:SendSentEvents True: this process sends no events, because Jobs:Events is Off.",
        Assert.Single(await ProblemsAsync(("Jobs:Events", "Off"), ("Jobs:SendSentEvents", "true"))),
        StringComparison.Ordinal);

    [Theory]
    [InlineData("")]
    [InlineData("amq.topic")]
    public async Task An_exchange_of_events_that_the_broker_would_refuse_fails_the_start(string exchange)
    {
        using var host = Build(jobs => jobs.UseRabbitMq("amqp://127.0.0.1:1", rabbit => rabbit.EventExchange = exchange));
        var thrown = await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync(TestContext.Current.CancellationToken));
        Assert.StartsWith($"Jobs:RabbitMq:EventExchange '{exchange}'", Assert.Single(thrown.Failures), StringComparison.Ordinal);
    }

    /// <summary>dotnet/extensions #785</summary>
    [Fact]
    public async Task One_text_where_a_list_is_wanted_is_refused()
    {
        var problem = Assert.Single(await ProblemsAsync(("Jobs:Worker:Queues", "news")));
        Assert.Equal("Jobs:Worker:Queues is 'news', and should be a list: write Jobs:Worker:Queues:0 = news.", problem);
    }

    [Fact]
    public async Task Lists_empty_values_and_the_sections_of_parts_that_are_not_there_are_fine()
    {
        var host = await StartedAsync(
            ("Jobs:Worker:Queues:0", "news"), ("Jobs:Worker:Queues:1", "mail"), ("Jobs:Worker:waitforapplicationstart", "False"), ("Jobs:DefaultQueue", null),
            ("Jobs", "8"), ("Jobs:Worker:Prefetch", ""), ("Jobs:RabbitMq:Uri", "amqp://elsewhere"), ("Jobs:Sqlite:File", "elsewhere.db"),
            ("Jobs:Health:SlowConfirm", "1s"), ("Jobs:Beat:Schedules", ""));
        await using var running = host;

        var worker = host.Services.GetRequiredService<IOptions<WorkerOptions>>().Value;
        Assert.Equal(["news", "mail"], worker.Queues);
        Assert.False(worker.WaitForApplicationStart);
        Assert.Equal("jobs", host.Services.GetRequiredService<IOptions<JobsOptions>>().Value.DefaultQueue);
    }

    /// <summary>rascal #222; MassTransit #1329, #4867</summary>
    [Fact]
    public async Task The_queue_of_dead_letters_is_no_queue_to_work_on()
    {
        var problems = await ProblemsAsync(("Jobs:Worker:Queues:0", "jobs"), ("Jobs:Worker:Queues:1", "jobs.dead"), ("Jobs:Beat:Schedules:a:Task", "t"),
            ("Jobs:Beat:Schedules:a:Every", "1h"), ("Jobs:Beat:Schedules:a:Queue", "jobs.dead"));
        Assert.Contains(problems, p => p.StartsWith("Jobs:Worker:Queues 'jobs.dead': it is the queue of dead letters", StringComparison.Ordinal));
        Assert.Contains(problems, p => p.StartsWith("Schedule 'a' in Jobs:Beat:Schedules: Job 't' goes to 'jobs.dead', the queue of dead letters", StringComparison.Ordinal));

        await using var host = JobsHost.Create(jobs => jobs.AddTask(new TestTask("t", (_, _) => Task.CompletedTask) { Queue = "jobs.dead" }));
        var thrown = await Assert.ThrowsAsync<OptionsValidationException>(host.StartAsync);
        Assert.StartsWith("Task 't': Queue 'jobs.dead'", Assert.Single(thrown.Failures), StringComparison.Ordinal);
        await Assert.ThrowsAsync<ArgumentException>(() => host.EnqueueAsync(new Job("x") { Queue = "jobs.dead" }));
    }

    [Theory]
    [InlineData("jobs.delay.00")]
    [InlineData("jobs.journal.beat")]
    [InlineData("jobs.quarantine.jobs")]
    [InlineData("t.*")]
    [InlineData("#")]
    [InlineData("a.#.b")]
    public async Task Over_RabbitMQ_names_of_its_own_and_patterns_are_no_queues(string queue)
    {
        using var host = Build(jobs => jobs.UseRabbitMq("amqp://127.0.0.1:1").AddWorker(worker => worker.Queues = [queue]));
        var thrown = await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync(TestContext.Current.CancellationToken));
        Assert.StartsWith($"Jobs:Worker:Queues '{queue}': ", Assert.Single(thrown.Failures), StringComparison.Ordinal);

        var dispatcher = host.Services.GetRequiredService<IJobDispatcher>();
        var refused = await Assert.ThrowsAsync<ArgumentException>(() => dispatcher.EnqueueAsync(new Job("t") { Queue = queue }, TestContext.Current.CancellationToken));
        Assert.Contains($"goes to the queue '{queue}'", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Queues_shared_with_Celery_without_a_management_address_fail_the_start_with_all_other_problems()
    {
        using var host = Build(jobs => jobs.UseRabbitMq("amqp://127.0.0.1:1", rabbit =>
        {
            rabbit.CeleryQueues = ["news", ""];
            rabbit.Declare = DeclareMode.Passive;
            rabbit.PublishWindow = 0;
        }));

        var thrown = await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync(TestContext.Current.CancellationToken));

        Assert.Equal(4, thrown.Failures.Count());
        Assert.Contains(thrown.Failures, f => f.StartsWith("Jobs:RabbitMq:CeleryQueues '': a queue name has", StringComparison.Ordinal));
        Assert.Contains(thrown.Failures, f => f.Contains("Set ManagementUri, for example http://user:password@rabbit1:15672", StringComparison.Ordinal));
        Assert.Contains(thrown.Failures, f => f.Contains("with Declare = DeclareMode.Passive", StringComparison.Ordinal));
        Assert.Contains(thrown.Failures, f => f.StartsWith("Jobs:RabbitMq:PublishWindow 0", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("rabbit1:15672", "begins with neither")]
    [InlineData("amqp://rabbit1", "begins with neither")]
    [InlineData("http://", "names no host")]
    [InlineData("http://user:se/cret@rabbit1:15672", "'user' is no host")]
    [InlineData("http://user:secret@rabbit1:secret", "'rabbit1' is no host")]
    [InlineData("http://user:secret@rabbit1:15672,rabbit2:99999", "'rabbit2' is no host")]
    public async Task A_management_address_that_is_none_fails_the_start_and_its_password_is_not_written(string uri, string says)
    {
        using var host = Build(jobs => jobs.UseRabbitMq("amqp://127.0.0.1:1", rabbit => rabbit.ManagementUri = uri));
        var thrown = await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync(TestContext.Current.CancellationToken));

        var problem = Assert.Single(thrown.Failures);
        Assert.StartsWith("Jobs:RabbitMq:ManagementUri: ", problem, StringComparison.Ordinal);
        Assert.Contains(says, problem, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", problem, StringComparison.Ordinal);
        Assert.DoesNotContain("cret@", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("dead", "it is the queue of dead letters")]
    [InlineData("jobs.delay.00", "are Jobs' own")]
    public async Task A_queue_of_Jobs_own_is_not_shared_with_Celery(string queue, string says)
    {
        using var host = Build(jobs => jobs.Configure(o => o.DeadLetterQueue = "dead")
            .UseRabbitMq("amqp://127.0.0.1:1", rabbit => (rabbit.CeleryQueues, rabbit.ManagementUri) = ([queue], "http://127.0.0.1:1")));
        var thrown = await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync(TestContext.Current.CancellationToken));
        Assert.Contains(says, Assert.Single(thrown.Failures), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_connection_string_whose_name_is_misspelt_is_no_broker_on_this_machine()
    {
        using var host = Build(jobs => jobs.UseRabbitMq(new ConfigurationBuilder().Build().GetConnectionString("typo")));
        var thrown = await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync(TestContext.Current.CancellationToken));
        Assert.StartsWith("Jobs:RabbitMq:Uri: UseRabbitMq was given null", Assert.Single(thrown.Failures), StringComparison.Ordinal);

        using var local = Build(jobs => jobs.UseRabbitMq());
        await local.StartAsync(TestContext.Current.CancellationToken); // a broker on this machine, as the option's default says
    }

    static async Task<JobsHost> StartedAsync(params (string Key, string? Value)[] settings)
    {
        var host = JobsHost.Create(jobs => jobs.AddTask(TestTask.Returning("t")).AddWorker().AddBeat(), settings.Select(s => KeyValuePair.Create(s.Key, s.Value)));
        await host.StartAsync();
        return host;
    }

    static async Task<string[]> ProblemsAsync(params (string Key, string? Value)[] settings)
    {
        await using var host = JobsHost.Create(jobs => jobs.AddTask(TestTask.Returning("t")).AddWorker().AddBeat(), settings.Select(s => KeyValuePair.Create(s.Key, s.Value)));
        return [.. (await Assert.ThrowsAsync<OptionsValidationException>(host.StartAsync)).Failures];
    }

    static IHost Build(Action<JobsBuilder> configure)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Services.AddJobs(configure);
        return builder.Build();
    }
}
