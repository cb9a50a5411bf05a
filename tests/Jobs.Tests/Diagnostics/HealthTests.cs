using Jobs.Contracts;
using Jobs.Tests.Working;
using Jobs.Transport;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Xunit;

namespace Jobs.Tests.Diagnostics;

/// <summary>What the two checks say of a process in each state. How a transport comes to its answer is tested with a broker.</summary>
public sealed class HealthTests
{
    static readonly ConnectionHealth Up = new(true, TimeSpan.FromHours(1));
    static readonly ConnectionHealth Away = new(false, TimeSpan.FromMinutes(20), "rabbit1:5672 did not answer within 00:00:10");

    [Fact]
    public async Task A_process_that_only_enqueues_is_alive_and_ready_before_its_first_job()
    {
        await using var host = await HostAsync(_ => { });
        await Says(host, "live", HealthStatus.Healthy, "No worker in this process");
        await Says(host, "ready", HealthStatus.Healthy, "Jobs can be enqueued.");
    }

    [Fact]
    public async Task A_beat_is_alive_and_ready()
    {
        await using var host = await HostAsync(jobs => jobs.AddBeat());
        await Says(host, "live", HealthStatus.Healthy, "No worker in this process");
        await Says(host, "ready", HealthStatus.Healthy, "Jobs can be enqueued.");
    }

    [Fact]
    public async Task A_worker_is_alive_and_ready_once_it_has_started_and_not_ready_before()
    {
        await using var host = Create(jobs => jobs.AddWorker(w => w.Concurrency = 4));
        await Says(host, "live", HealthStatus.Healthy, "has not started yet");
        await Says(host, "ready", HealthStatus.Unhealthy, "has not started yet");
        await host.StartAsync();
        var alive = await Says(host, "live", HealthStatus.Healthy, "0 of 4 slots are busy");
        await Says(host, "ready", HealthStatus.Healthy, "The worker takes jobs.");
        Assert.Equal(4, alive.Data["slots"]);
    }

    [Fact]
    public async Task A_worker_that_stops_is_alive_and_not_ready()
    {
        var hold = new TaskCompletionSource();
        var task = new TestTask("t", (_, _) => hold.Task);
        await using var host = await HostAsync(jobs => jobs.AddTask(task).AddWorker());
        await host.EnqueueAsync("t");
        await Wait.Until(() => task.Runs == 1);
        var stop = host.StopAsync();
        await Wait.Until(() => host.Transport.Stopped == 1);
        await Says(host, "live", HealthStatus.Healthy, "is stopping");
        await Says(host, "ready", HealthStatus.Unhealthy, "is stopping");
        hold.SetResult();
        await stop.Soon();
    }

    [Fact]
    public async Task A_broker_that_is_away_makes_a_process_unready_and_never_dead()
    {
        await using var host = await HostAsync(jobs => jobs.AddWorker());
        host.Transport.Health = new() { Connection = Away };
        host.Transport.Subscription = new() { Connection = Away, Queues = [new("jobs", false, TimeSpan.FromMinutes(20))] };
        host.Clock.Advance(TimeSpan.FromHours(1));
        await Says(host, "live", HealthStatus.Healthy, "The broker is away (rabbit1:5672 did not answer within 00:00:10); a restart would not help");
        var ready = await Says(host, "ready", HealthStatus.Unhealthy, "Jobs cannot be enqueued: no connection for 20 min: rabbit1:5672 did not answer");
        Assert.Contains("The worker gets no jobs", ready.Description, StringComparison.Ordinal);
        Assert.Equal(false, ready.Data["publish.connected"]);
        Assert.Equal(false, ready.Data["consume.connected"]);
    }

    [Fact]
    public async Task Blocked_publishing_is_degraded_and_after_a_while_unhealthy_with_the_brokers_reason()
    {
        await using var host = await HostAsync(_ => { });
        host.Transport.Health = new() { Connection = Up, Blocked = "low on memory", BlockedFor = TimeSpan.FromSeconds(29) };
        await Says(host, "ready", HealthStatus.Degraded, "blocked publishing for 29 s: low on memory.");
        host.Transport.Health = host.Transport.Health with { BlockedFor = TimeSpan.FromSeconds(30) };
        await Says(host, "ready", HealthStatus.Unhealthy, "low on memory");
        await Says(host, "live", HealthStatus.Healthy, "");
    }

    [Fact]
    public async Task Slow_confirms_are_degraded()
    {
        await using var host = await HostAsync(_ => { }, o => o.SlowConfirm = TimeSpan.FromSeconds(2));
        host.Transport.Health = new() { Connection = Up, ConfirmLatency = TimeSpan.FromSeconds(1.9) };
        await Says(host, "ready", HealthStatus.Healthy, "");
        host.Transport.Health = new() { Connection = Up, ConfirmLatency = TimeSpan.FromSeconds(2.5), Pending = 7 };
        var ready = await Says(host, "ready", HealthStatus.Degraded, "took 2.5 s to confirm a job (SlowConfirm is 2 s); 7 jobs wait");
        Assert.Equal(2.5, ready.Data["publish.confirm.seconds"]);
    }

    [Fact]
    public async Task A_warning_of_the_transport_is_degraded_and_its_figures_are_in_the_data()
    {
        await using var host = await HostAsync(_ => { }, o => o.SlowConfirm = TimeSpan.FromSeconds(2));
        host.Transport.Health = new() { Connection = Up, Facts = new Dictionary<string, object> { ["free_bytes"] = 7L } };
        var ready = await Says(host, "ready", HealthStatus.Healthy, "Jobs can be enqueued.");
        Assert.Equal(7L, ready.Data["free_bytes"]);
        host.Transport.Health = host.Transport.Health with { Warning = "There is little space left", ConfirmLatency = TimeSpan.FromSeconds(3) };
        await Says(host, "ready", HealthStatus.Degraded, "queues without a leader. There is little space left.");
        await Says(host, "live", HealthStatus.Healthy, "");
    }

    [Fact]
    public async Task A_worker_that_lacks_one_consumer_is_degraded_and_one_that_lacks_all_is_not_ready()
    {
        await using var host = await HostAsync(jobs => jobs.AddWorker());
        var missing = new QueueHealth("mail", false, TimeSpan.FromSeconds(3), "the queue was deleted");
        host.Transport.Subscription = new() { Connection = Up, Queues = [new("jobs", true, TimeSpan.FromHours(1)), missing] };
        await Says(host, "ready", HealthStatus.Degraded, "no consumer for 'mail' for 3 s: the queue was deleted.");
        host.Transport.Subscription = new() { Connection = Up, Queues = [new("jobs", true, TimeSpan.FromHours(1)), new("q.jobs", false, TimeSpan.FromSeconds(3)) { IsQuarantine = true }] };
        await Says(host, "ready", HealthStatus.Degraded, "no consumer for 'q.jobs'");
        host.Transport.Subscription = new() { Connection = Up, Queues = [missing, new("q.mail", true, TimeSpan.FromHours(1)) { IsQuarantine = true }] };
        await Says(host, "ready", HealthStatus.Unhealthy, "no consumer for 'mail'");
        await Says(host, "live", HealthStatus.Healthy, "");
    }

    [Fact]
    public async Task A_queue_without_a_consumer_for_long_on_a_connection_that_works_is_degraded_because_a_restart_would_not_help()
    {
        await using var host = await HostAsync(jobs => jobs.AddWorker());
        host.Transport.Subscription = new() { Connection = Up, Queues = [new("jobs", false, TimeSpan.FromMinutes(5), "406 inequivalent arg")] };
        var result = await Says(host, "live", HealthStatus.Degraded, "Queue 'jobs' has had no consumer here for 5 min, although the connection works: 406 inequivalent arg.");
        Assert.Equal("406 inequivalent arg", result.Data["queue.jobs"]);

        // It has just come back; the consumer will too.
        host.Transport.Subscription = host.Transport.Subscription with { Connection = new(true, TimeSpan.FromSeconds(1)) };
        await Says(host, "live", HealthStatus.Healthy, "");
    }

    [Fact]
    public async Task A_consumer_that_gets_nothing_while_messages_wait_is_degraded_after_a_while_because_it_may_be_a_standby()
    {
        await using var host = await HostAsync(jobs => jobs.AddWorker());
        host.Transport.Subscription = new() { Connection = Up, Queues = [new("jobs", true, TimeSpan.FromHours(1)) { StarvedFor = TimeSpan.FromMinutes(4) }] };
        await Says(host, "live", HealthStatus.Healthy, "");
        host.Transport.Subscription = new() { Connection = Up, Queues = [new("jobs", true, TimeSpan.FromHours(1)) { StarvedFor = TimeSpan.FromMinutes(5) }] };
        await Says(host, "live", HealthStatus.Degraded, "Messages wait in queue 'jobs', but for 5 min none has come");
    }

    [Fact]
    public async Task Jobs_in_hand_that_do_not_start_although_slots_are_free_are_dead_after_a_while()
    {
        await using var host = await HostAsync(jobs => jobs.AddTask(TestTask.Returning("t")).AddWorker(w => w.Concurrency = 4));
        host.Transport.Subscription = new() { Connection = Up, Ready = 3 };
        await Says(host, "live", HealthStatus.Healthy, "");
        host.Clock.Advance(TimeSpan.FromMinutes(5));
        await Says(host, "live", HealthStatus.Unhealthy, "3 jobs are in hand and 4 slots are free, but none has started for 5 min.");

        await host.EnqueueAsync("t", "moves again");
        await host.AckedAsync("moves again");
        await Says(host, "live", HealthStatus.Healthy, "");
    }

    [Fact]
    public async Task Slots_that_are_all_busy_for_long_are_alive()
    {
        var hold = new TaskCompletionSource();
        var task = new TestTask("t", (_, _) => hold.Task);
        await using var host = await HostAsync(jobs => jobs.AddTask(task).AddWorker(w => w.Concurrency = 2));
        for (var i = 0; i < 4; i++)
        {
            await host.EnqueueAsync("t"); // two run, two wait in hand
        }

        await Wait.Until(() => task.Runs == 2);
        var before = await Says(host, "live", HealthStatus.Healthy, "2 of 2 slots are busy");
        Assert.Equal(2, before.Data["jobs.ready"]);
        host.Clock.Advance(TimeSpan.FromHours(3));
        await Says(host, "live", HealthStatus.Healthy, "2 of 2 slots are busy");
        hold.SetResult();
    }

    [Fact]
    public async Task A_worker_whose_transport_fails_to_give_it_a_delivery_is_dead()
    {
        await using var host = Create(jobs => jobs.AddWorker(w => w.Concurrency = 4));
        host.Transport.NextFault = () => new IOException("broken");
        await host.StartAsync();
        await Wait.Until(async () => (await CheckAsync(host, "live")).Status == HealthStatus.Unhealthy);
        await Says(host, "live", HealthStatus.Unhealthy, "The worker takes no more jobs");
        Assert.Single(host.Logs.Lines, l => l.EventId == 105 && l.Category == "Jobs.Working.Worker");
    }

    [Fact]
    public async Task Added_twice_there_is_still_one_check_of_each_kind_and_code_wins_over_configuration()
    {
        await using var host = JobsHost.Create(
            jobs =>
            {
                jobs.Services.AddHealthChecks().AddJobs(o => o.SlowConfirm = TimeSpan.FromSeconds(1)).AddJobs();
            },
            [new("Jobs:Health:SlowConfirm", "00:01:00"), new("Jobs:Health:BlockedFor", "00:01:00")]);
        host.Transport.Health = new() { Connection = Up, ConfirmLatency = TimeSpan.FromSeconds(2) };
        var report = await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(TestContext.Current.CancellationToken).Soon();
        Assert.Equal(["jobs-liveness", "jobs-readiness"], report.Entries.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(HealthStatus.Degraded, report.Entries["jobs-readiness"].Status);
        host.Transport.Health = new() { Connection = Up, Blocked = "disk", BlockedFor = TimeSpan.FromSeconds(50) };
        await Says(host, "ready", HealthStatus.Degraded, "disk");
    }

    static JobsHost Create(Action<JobsBuilder> configure, Action<JobsHealthOptions>? health = null) => JobsHost.Create(jobs =>
    {
        jobs.Services.AddHealthChecks().AddJobs(health);
        configure(jobs);
    });

    static async Task<JobsHost> HostAsync(Action<JobsBuilder> configure, Action<JobsHealthOptions>? health = null)
    {
        var host = Create(configure, health);
        await host.StartAsync();
        return host;
    }

    static async Task<HealthReportEntry> Says(JobsHost host, string tag, HealthStatus status, string reason)
    {
        var entry = await CheckAsync(host, tag);
        Assert.Equal(status, entry.Status);
        Assert.Contains(reason, entry.Description, StringComparison.Ordinal);
        return entry;
    }

    static async Task<HealthReportEntry> CheckAsync(JobsHost host, string tag)
    {
        var report = await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(check => check.Tags.Contains(tag), TestContext.Current.CancellationToken).Soon();
        return Assert.Single(report.Entries).Value;
    }
}
