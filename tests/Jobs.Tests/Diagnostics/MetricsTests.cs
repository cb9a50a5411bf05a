using System.Diagnostics.Metrics;
using Jobs.Contracts;
using Jobs.Diagnostics;
using Jobs.Tests.Working;
using Jobs.Wire;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Jobs.Tests.Diagnostics;

/// <summary>A listener hears all hosts of the process: these tests run alone.</summary>
[CollectionDefinition(nameof(MetricsTests), DisableParallelization = true)]
[Collection(nameof(MetricsTests))]
public sealed class MetricsTests
{
    static readonly (string, object) JobsQueue = ("messaging.destination.name", "jobs");

    readonly TaskCompletionSource held = new(TaskCreationOptions.RunContinuationsAsynchronously);

    [Fact]
    public async Task An_enqueued_job_is_counted_per_task_and_queue()
    {
        using var measured = new Measured();
        await using var host = JobsHost.Create(_ => { });
        await host.EnqueueAsync("metrics.a");
        await host.EnqueueAsync("metrics.a");
        await host.EnqueueAsync(new Job("metrics.a") { Queue = "other" });

        Assert.Equal(2, measured.Sum("messaging.client.sent.messages", ("jobs.task", "metrics.a"), JobsQueue));
        Assert.Equal(1, measured.Sum("messaging.client.sent.messages", ("jobs.task", "metrics.a"), ("messaging.destination.name", "other")));
        Assert.Equal(3, measured.Histogram("messaging.client.operation.duration", ("messaging.operation.type", "send")).Count);
        var tags = measured.Tags("messaging.client.sent.messages", JobsQueue);
        Assert.Equal(("in_memory", "send"), (tags["messaging.system"], tags["messaging.operation.name"]));
        Assert.DoesNotContain("error.type", tags.Keys);
    }

    [Theory]
    [InlineData(true, "maybe_enqueued")]
    [InlineData(false, "not_enqueued")]
    public async Task A_failed_enqueue_is_counted_with_what_became_of_the_job(bool maybe, string error)
    {
        using var measured = new Measured();
        await using var host = JobsHost.Create(_ => { });
        host.Transport.Fault = (_, _, _) => new JobPublishException("id", maybe, isTransient: true, "broken");
        await Assert.ThrowsAsync<JobPublishException>(() => host.EnqueueAsync("metrics.b"));
        Assert.Equal(1, measured.Sum("messaging.client.sent.messages", ("error.type", error)));
    }

    [Fact]
    public async Task The_run_time_of_a_task_is_measured_with_its_outcome()
    {
        using var measured = new Measured();
        JobsHost host = null!;
        var slow = new TestTask("metrics.slow", (_, _) =>
        {
            host.Clock.Advance(TimeSpan.FromSeconds(3));
            return Task.CompletedTask;
        });
        await using var running = host = await JobsHost.StartAsync(slow, TestTask.Throwing("metrics.fail", () => new DeadJobException("no")));
        await host.EnqueueAsync("metrics.slow", "slow");
        await host.AckedAsync("slow");
        await host.EnqueueAsync("metrics.fail", "fail");
        await host.AckedAsync("fail");

        Assert.Equal((1, 3.0), measured.Histogram("messaging.process.duration", ("jobs.task", "metrics.slow"), ("jobs.outcome", "succeeded")));
        Assert.Equal(1, measured.Histogram("messaging.process.duration", ("jobs.outcome", "failed"), ("error.type", "Jobs.DeadJobException")).Count);
        Assert.Equal("s", measured.About("messaging.process.duration").Unit);
        Assert.Equal(1, measured.Sum("messaging.client.consumed.messages", ("jobs.task", "metrics.slow")));
    }

    [Fact]
    public async Task Queue_latency_is_exact_to_the_millisecond_for_jobs_whose_id_we_made()
    {
        using var measured = new Measured();
        var blocker = new TestTask("metrics.blocker", (_, _) => held.Task);
        await using var host = await JobsHost.StartAsync(jobs => jobs.AddWorker(w => w.Concurrency = 1), blocker, TestTask.Returning("metrics.waits"));
        host.Clock.Advance(TimeSpan.FromMilliseconds(400)); // off the full second
        await host.EnqueueAsync("metrics.blocker");
        await Wait.Until(() => blocker.Runs == 1);
        var waiting = await host.EnqueueAsync("metrics.waits");
        host.Clock.Advance(TimeSpan.FromMilliseconds(1250));
        held.SetResult();
        await host.AckedAsync(waiting.Id);

        var (count, sum) = measured.Histogram("jobs.queue.latency", ("jobs.task", "metrics.waits"), JobsQueue);
        Assert.Equal(1, count);
        Assert.Equal(1.25, sum, 3);
    }

    [Fact]
    public async Task Queue_latency_of_a_delayed_job_counts_from_the_time_it_was_due()
    {
        using var measured = new Measured();
        await using var host = await JobsHost.StartAsync(TestTask.Returning("metrics.due"));
        await host.EnqueueAsync(new Job("metrics.due") { Id = "due", Delay = TimeSpan.FromMinutes(1) });
        host.Clock.Advance(TimeSpan.FromMinutes(1));
        await host.AckedAsync("due");
        Assert.Equal((1, 0.0), measured.Histogram("jobs.queue.latency", ("jobs.task", "metrics.due")));
    }

    [Theory]
    [InlineData("0190a5c5-2c00-7000-8000-000000000000", 1_720_813_235, 1_720_813_235_000)] // a UUID 7 of another moment: the timestamp counts
    [InlineData("order-17", 1_900_000_000, 1_900_000_000_000)]
    [InlineData("order-17", 0, null)]
    [InlineData("order-17", long.MaxValue, null)]
    public void The_time_of_publication_is_the_timestamp_unless_the_id_says_it_more_exactly(string id, long timestamp, long? milliseconds) =>
        Assert.Equal(milliseconds, PublishTime.Of(JobEnvelope.Read(TestMessage.Of(id: id, task: "t") with { Timestamp = timestamp }))?.ToUnixTimeMilliseconds());

    [Fact]
    public void The_time_of_publication_in_an_id_of_ours_is_exact()
    {
        var at = DateTimeOffset.FromUnixTimeMilliseconds(1_900_000_000_123);
        var message = TestMessage.Of(id: Guid.CreateVersion7(at).ToString(), task: "t") with { Timestamp = 1_900_000_000 };
        Assert.Equal(at, PublishTime.Of(JobEnvelope.Read(message)));
    }

    [Fact]
    public async Task A_running_job_is_active_until_it_ends()
    {
        using var measured = new Measured();
        var task = new TestTask("metrics.active", (_, _) => held.Task);
        await using var host = await JobsHost.StartAsync(task);
        await host.EnqueueAsync("metrics.active", "active");
        await Wait.Until(() => task.Runs == 1);
        Assert.Equal(1, measured.Sum("jobs.active", ("jobs.task", "metrics.active")));
        held.SetResult();
        await host.AckedAsync("active");
        Assert.Equal(0, measured.Sum("jobs.active", ("jobs.task", "metrics.active")));
    }

    [Fact]
    public async Task A_listener_that_comes_while_a_job_runs_does_not_see_less_than_no_job()
    {
        var task = new TestTask("metrics.before", (_, _) => held.Task);
        await using var host = await JobsHost.StartAsync(task);
        await host.EnqueueAsync("metrics.before", "before");
        await Wait.Until(() => task.Runs == 1);
        using var measured = new Measured();
        held.SetResult();
        await host.AckedAsync("before");
        Assert.Equal(0, measured.Sum("jobs.active"));
    }

    [Fact]
    public async Task A_retry_is_counted_with_the_error_and_a_dead_job_too()
    {
        using var measured = new Measured();
        await using var host = await JobsHost.StartAsync(jobs => jobs.Configure(o => o.MaxRetries = 1), TestTask.Throwing("metrics.error", () => new TimeoutException()));
        await host.EnqueueAsync("metrics.error", "error");
        await host.AdvanceUntil(() => host.Verbs("error").Count() == 2, TimeSpan.FromSeconds(1));

        Assert.Equal(1, measured.Sum("jobs.retries", ("jobs.task", "metrics.error"), JobsQueue, ("error.type", "System.TimeoutException")));
        Assert.Equal(1, measured.Sum("jobs.dead", ("jobs.task", "metrics.error"), JobsQueue, ("error.type", "System.TimeoutException")));
    }

    [Fact]
    public async Task What_a_sender_makes_up_does_not_become_a_tag()
    {
        using var measured = new Measured();
        await using var host = await JobsHost.StartAsync(TestTask.Returning("ok"));
        await host.SendAsync(TestMessage.Of(id: "1", task: "made.up.42"));
        await host.SendAsync(TestMessage.Of(id: "2", task: "ok") with { ContentType = "text/made-up" });
        await host.AckedAsync("1");
        await host.AckedAsync("2");

        Assert.Equal("_unknown", measured.Tags("jobs.dead", ("error.type", "unknown_task"))["jobs.task"]);
        Assert.Equal("_unknown", measured.Tags("jobs.dead", ("error.type", "malformed"))["jobs.task"]);
        Assert.Equal(2, measured.Sum("messaging.client.consumed.messages", ("jobs.task", "_unknown")));
    }

    [Fact]
    public async Task An_expired_job_is_revoked_and_not_run()
    {
        using var measured = new Measured();
        await using var host = await JobsHost.StartAsync(TestTask.Returning("metrics.late"));
        await host.SendAsync(TestMessage.Of(id: "late", task: "metrics.late", headers: [("expires", WireTime.Format(host.Clock.GetUtcNow().AddSeconds(-30)))]));
        await host.AckedAsync("late");
        Assert.Equal(1, measured.Sum("jobs.expired", ("jobs.task", "metrics.late")));
        Assert.Equal(0, measured.Histogram("messaging.process.duration", ("jobs.task", "metrics.late")).Count);
    }

    [Fact]
    public async Task A_job_that_cannot_be_settled_is_counted()
    {
        using var measured = new Measured();
        await using var host = await JobsHost.StartAsync(TestTask.Returning("metrics.again"));
        host.Transport.Fault = (step, _, _) => step == FaultStep.Ack ? new IOException("broken") : null;
        await host.EnqueueAsync("metrics.again", "again");
        await Wait.Until(() => measured.Sum("jobs.settlement.failures", JobsQueue) == 1);
    }

    [Fact]
    public async Task A_redelivery_is_counted()
    {
        using var measured = new Measured();
        await using var host = JobsHost.Create(jobs => jobs.AddTask(TestTask.Returning("metrics.twice")).AddWorker());
        await host.SendAsync(TestMessage.Of(id: "twice", task: "metrics.twice"));
        await (await host.Transport.Inner.SubscribeAsync(new() { Queues = ["jobs"], Prefetch = 1 }, CancellationToken.None)).DisposeAsync(); // had it in hand, and ended
        await host.StartAsync();
        await host.AckedAsync("twice");
        Assert.Equal(1, measured.Sum("jobs.redelivered", JobsQueue));
    }

    [Fact]
    public async Task The_lag_of_a_slot_is_measured_per_schedule()
    {
        using var measured = new Measured();
        await using var host = JobsHost.Create(jobs => jobs.AddSchedule("metrics.tick", TimeSpan.FromSeconds(10), new Job("metrics.tick")).AddBeat());
        await host.StartAsync();
        await host.AdvanceUntil(() => measured.Histogram("jobs.beat.lag", ("jobs.schedule", "metrics.tick")).Count > 0, TimeSpan.FromSeconds(3));
        Assert.True(measured.Histogram("jobs.beat.lag", ("jobs.schedule", "metrics.tick")).Sum >= 0);
    }

    [Fact]
    public async Task Two_hosts_in_one_process_have_instruments_of_their_own()
    {
        await using var one = JobsHost.Create(_ => { });
        await using var two = JobsHost.Create(_ => { });
        var (ofOne, ofTwo) = (0L, 0L);
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument is { Meter.Name: "Jobs", Name: "messaging.client.sent.messages" })
            {
                l.EnableMeasurementEvents(instrument, instrument.Meter.Scope);
            }
        };
        listener.SetMeasurementEventCallback<long>((_, value, _, scope) =>
        {
            ofOne += scope == one.Services.GetRequiredService<IMeterFactory>() ? value : 0;
            ofTwo += scope == two.Services.GetRequiredService<IMeterFactory>() ? value : 0;
        });
        listener.Start();
        await one.EnqueueAsync("metrics.host");
        await one.EnqueueAsync("metrics.host");
        await two.EnqueueAsync("metrics.host");
        Assert.Equal((2, 1), (ofOne, ofTwo));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Measuring_a_job_allocates_nothing(bool somebodyListens)
    {
        using var telemetry = new Telemetry();
        var heard = 0L;
        using var listener = new MeterListener { InstrumentPublished = (instrument, l) => l.EnableMeasurementEvents(instrument) };
        listener.SetMeasurementEventCallback<long>((_, _, _, _) => heard++);
        listener.SetMeasurementEventCallback<double>((_, _, _, _) => heard++);
        if (somebodyListens)
        {
            listener.Start();
        }

        Measure(); // the first time makes code
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1_000; i++)
        {
            Measure();
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.Equal(somebodyListens, heard > 0);

        void Measure()
        {
            var now = DateTimeOffset.UnixEpoch;
            telemetry.Sent("x", "task", "queue", TimeSpan.Zero, null);
            telemetry.Confirmed("x", "queue", TimeSpan.Zero);
            telemetry.Consumed("x", "task", "queue", 1);
            telemetry.Ended(telemetry.Started("task", "queue", now, now), "x", "task", "queue", TimeSpan.Zero, "succeeded", null);
        }
    }
}
