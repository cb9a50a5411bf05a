using System.Text;
using Jobs.Contracts;
using Jobs.Registry;
using Jobs.Wire;
using Jobs.Working;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Jobs.Tests.Working;

/// <summary>What becomes of a job, by how its attempt ended.</summary>
public sealed class OutcomeTests
{
    [Fact]
    public async Task A_job_that_returns_is_acked_and_gone()
    {
        var task = TestTask.Returning("ok");
        await using var host = await JobsHost.StartAsync(task);
        await host.EnqueueAsync("ok", "j");
        await host.AckedAsync("j");

        Assert.Equal(1, task.Runs);
        Assert.Single(host.Published("j"));
        Assert.Equal(0, await host.CountAsync());
    }

    [Fact]
    public async Task A_failed_job_comes_back_after_its_delay_until_its_retries_are_spent()
    {
        var task = TestTask.Throwing("fail", () => new InvalidOperationException("no luck"));
        await using var host = await JobsHost.StartAsync(
            jobs => jobs.Configure(o => (o.MaxRetries, o.RetryDelay, o.MaxRetryDelay) = (3, TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(15))),
            task);
        await host.EnqueueAsync("fail", "j");

        foreach (var (retry, ceiling) in new[] { (1, 10), (2, 15), (3, 15) })
        {
            await Wait.Until(() => host.Published("j").Length == retry + 1);
            var copy = host.Published("j")[retry];
            Assert.Equal("jobs", copy.Queue);
            Assert.Equal(retry, copy.Message.Headers[WireHeaders.Retries]);
            Assert.InRange(copy.Delay, TimeSpan.Zero, TimeSpan.FromSeconds(ceiling));
            Assert.Equal(WireTime.Format(host.Clock.GetUtcNow() + copy.Delay), copy.Message.Text(WireHeaders.Eta));
            await host.AckedAsync("j", retry);
            Assert.Equal(retry, task.Runs); // its delay is not over
            host.Clock.Advance(copy.Delay);
        }

        var letter = await host.DeadLetterAsync();
        Assert.Equal(4, task.Runs);
        Assert.Equal("j", letter.CorrelationId);
        Assert.Equal(4, letter.Headers[WireHeaders.DeadAttempts]);
        Assert.Equal("jobs", letter.Text(WireHeaders.DeadQueue));
        Assert.Equal("It failed 4 times (MaxRetries is 3). no luck", letter.Text(WireHeaders.DeadReason));
        Assert.Equal("System.InvalidOperationException: no luck", letter.Text(WireHeaders.DeadException));
        Assert.Contains(nameof(TestTask.InvokeAsync), letter.Text(WireHeaders.DeadStack), StringComparison.Ordinal);
        await host.AckedAsync("j", 4);
        Assert.Equal(0, await host.CountAsync());
    }

    [Fact]
    public async Task A_dead_letter_that_the_broker_refuses_goes_again_with_a_short_reason_only()
    {
        var task = TestTask.Throwing("fail", () => new InvalidOperationException(new string('x', 5_000)));
        await using var host = await JobsHost.StartAsync(jobs => jobs.Configure(o => o.MaxRetries = 0), task);
        host.Transport.Fault = (step, queue, message) => step == FaultStep.Publish && queue == "jobs.dead" && message.Text(WireHeaders.DeadStack) is not null
            ? new JobPublishException("j", maybeEnqueued: false, isTransient: false, "501 FRAME_ERROR") // a header frame that is too large
            : null;
        await host.EnqueueAsync("fail", "j");

        var letter = await host.DeadLetterAsync();
        Assert.InRange(letter.Text(WireHeaders.DeadReason)!.Length, 1, 201);
        Assert.Null(letter.Text(WireHeaders.DeadException));
        Assert.Equal("jobs", letter.Text(WireHeaders.DeadQueue));
        await host.AckedAsync("j");
        Assert.Equal(1, task.Runs);
    }

    [Fact]
    public async Task A_task_that_fails_and_then_succeeds_is_done()
    {
        var runs = 0;
        var task = new TestTask("flaky", (_, _) => ++runs < 3 ? throw new TimeoutException() : Task.CompletedTask);
        await using var host = await JobsHost.StartAsync(task);
        await host.EnqueueAsync("flaky", "j");
        await host.AdvanceUntil(() => host.Verbs("j").Count() == 3, TimeSpan.FromSeconds(1));

        Assert.Equal(3, task.Runs);
        Assert.Equal(0, await host.CountAsync("jobs.dead"));
    }

    [Fact]
    public async Task The_tasks_own_retries_go_before_the_hosts()
    {
        var once = new TestTask("once", (_, _) => throw new TimeoutException()) { MaxRetries = 0 };
        await using var host = await JobsHost.StartAsync(once);
        await host.EnqueueAsync("once");

        var letter = await host.DeadLetterAsync();
        Assert.Equal("It failed once (MaxRetries is 0). The operation has timed out.", letter.Text(WireHeaders.DeadReason));
    }

    [Fact]
    public async Task A_task_chooses_when_it_is_run_again()
    {
        var task = TestTask.Throwing("later", () => new RetryJobException(TimeSpan.FromMinutes(7)));
        await using var host = await JobsHost.StartAsync(task);
        await host.EnqueueAsync("later", "j");
        await host.AckedAsync("j");

        Assert.Equal(TimeSpan.FromMinutes(7), host.Published("j")[1].Delay);
        host.Clock.Advance(TimeSpan.FromMinutes(6.9));
        Assert.Equal(1, task.Runs);
        host.Clock.Advance(TimeSpan.FromMinutes(0.1));
        await Wait.Until(() => task.Runs == 2);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_retry_after_a_time_beyond_all_calendars_is_kept_within_what_transports_hold(bool negative)
    {
        var task = TestTask.Throwing("later", () => new RetryJobException(negative ? TimeSpan.MinValue : TimeSpan.MaxValue));
        await using var host = await JobsHost.StartAsync(task);
        await host.EnqueueAsync("later", "j");
        await host.AckedAsync("j");

        Assert.InRange(host.Published("j")[1].Delay, TimeSpan.Zero, TimeSpan.FromSeconds(1 << 28));
    }

    [Fact]
    public async Task A_task_declares_its_job_dead()
    {
        var task = TestTask.Throwing("dead", () => new DeadJobException("The customer is gone.", new KeyNotFoundException()));
        await using var host = await JobsHost.StartAsync(task);
        await host.EnqueueAsync("dead", "j");

        var letter = await host.DeadLetterAsync();
        Assert.Equal("The customer is gone.", letter.Text(WireHeaders.DeadReason));
        Assert.Equal(1, letter.Headers[WireHeaders.DeadAttempts]);
        Assert.Contains(nameof(KeyNotFoundException), letter.Text(WireHeaders.DeadStack), StringComparison.Ordinal);
        Assert.Equal(1, task.Runs);
    }

    [Fact]
    public async Task A_job_of_an_unknown_task_is_dead_and_the_reason_says_what_to_do()
    {
        await using var host = await JobsHost.StartAsync();
        await host.EnqueueAsync("nobody.knows");

        var reason = (await host.DeadLetterAsync()).Text(WireHeaders.DeadReason);
        Assert.Contains("no task 'nobody.knows'", reason, StringComparison.Ordinal);
        Assert.Contains("AddTasks", reason, StringComparison.Ordinal);
    }

    /// <summary>Jobs outlive deployments: those of the old name arrive at the new program. (The ungated upgrade that every peer has stories of)</summary>
    [Fact]
    public async Task An_old_name_still_runs()
    {
        var task = new TestTask("new.name", (_, _) => Task.CompletedTask) { Aliases = ["old.name"] };
        await using var host = await JobsHost.StartAsync(task);
        await host.EnqueueAsync("old.name", "j");
        await host.AckedAsync("j");
        Assert.Equal(1, task.Runs);
    }

    /// <summary>And those of the old parameters say what does not fit; they are not tried again and again. (The ungated upgrade; River PR #1324)</summary>
    [Theory]
    [InlineData("[[5],{},{}]", "Task 'ok', parameter 'text': expected string, got 5.")]
    [InlineData("[[\"a\",\"b\"],{},{}]", "Task 'ok' takes 1 arguments; it was called with more.")]
    [InlineData("[[],{\"colour\":1},{}]", "Task 'ok' has no parameter 'colour'; it has: text.")]
    [InlineData("[[\"a\"],{\"text\":\"b\"},{}]", "Task 'ok' was given 'text' both by position and by keyword")]
    [InlineData("no json", "The body is not JSON")]
    [InlineData("{}", "The body is not a JSON array")]
    public async Task Bad_arguments_are_dead_at_once_and_named(string body, string reason)
    {
        var task = TestTask.Returning("ok");
        await using var host = await JobsHost.StartAsync(task);
        await host.SendAsync(TestMessage.Of(task: "ok", body: body));

        Assert.StartsWith(reason, (await host.DeadLetterAsync()).Text(WireHeaders.DeadReason), StringComparison.Ordinal);
        Assert.Equal(0, task.Runs);
    }

    [Fact]
    public async Task Text_that_is_not_unicode_is_a_bad_argument_and_not_a_failure_to_retry()
    {
        await using var host = await JobsHost.StartAsync(TestTask.Returning("ok"));
        await host.SendAsync(TestMessage.Of(task: "ok", body: """[["\ud800"],{},{}]"""));
        await host.SendAsync(TestMessage.Of(task: "ok") with { Body = new byte[] { (byte)'[', (byte)'[', (byte)'"', 0xff, (byte)'"', (byte)']', (byte)',', (byte)'{', (byte)'}', (byte)',', (byte)'{', (byte)'}', (byte)']' } });

        Assert.NotNull((await host.DeadLetterAsync()).Text(WireHeaders.DeadReason));
        Assert.NotNull((await host.DeadLetterAsync()).Text(WireHeaders.DeadReason));
        Assert.DoesNotContain(host.Transport.Published, p => p.Queue == "jobs");
    }

    [Fact]
    public async Task An_expired_job_is_dropped_without_running()
    {
        var task = TestTask.Returning("ok");
        await using var host = await JobsHost.StartAsync(task);
        await host.EnqueueAsync(new Job("ok") { Id = "fresh", Expires = TimeSpan.FromMinutes(2), Delay = TimeSpan.FromMinutes(1) });
        await host.SendAsync(TestMessage.Of(id: "late", task: "ok", headers:
        [
            ("eta", WireTime.Format(host.Clock.GetUtcNow().AddMinutes(1))), ("expires", WireTime.Format(host.Clock.GetUtcNow().AddMinutes(1))),
        ]));
        await Wait.Until(() => host.Published("late").Length == 1); // in the transport's delay
        host.Clock.Advance(TimeSpan.FromMinutes(1));
        await host.AckedAsync("fresh");
        await host.AckedAsync("late", 2);

        Assert.Equal(1, task.Runs);
        Assert.Equal(0, await host.CountAsync("jobs.dead"));
        Assert.Single(host.Logs.Lines, l => l.EventId == 203);
    }

    [Fact]
    public async Task A_task_acked_early_is_acked_before_it_runs_and_never_run_again()
    {
        var acked = false;
        JobsHost host = null!;
        var task = new TestTask("early", (context, _) =>
        {
            acked = host.Verbs(context.Id).Any();
            throw new TimeoutException();
        }) { AckEarly = true };
        await using var running = host = await JobsHost.StartAsync(task);
        await host.EnqueueAsync("early", "j");

        var letter = await host.DeadLetterAsync();
        Assert.True(acked);
        Assert.StartsWith("It failed, and its task has AckEarly: it runs at most once.", letter.Text(WireHeaders.DeadReason), StringComparison.Ordinal);
        Assert.Equal(1, task.Runs);
        Assert.Single(host.Verbs("j"));
    }

    [Fact]
    public async Task A_suspect_that_was_handed_out_too_often_is_dead()
    {
        var task = TestTask.Returning("ok");
        await using var host = JobsHost.Create(jobs => jobs.AddTask(task).AddWorker(w => w.MaxDeliveries = 3));
        host.Transport.Quarantines = true;
        await host.SendAsync(TestMessage.Of(task: "ok", id: "poison"));
        for (var i = 0; i < 3; i++)
        {
            await using var dying = await host.Transport.Inner.SubscribeAsync(new() { Queues = ["jobs"], Prefetch = 1 }, CancellationToken.None);
            Assert.Equal(i, (await dying.NextAsync().Soon())!.DeliveryCount);
        }

        await host.StartAsync();
        var letter = await host.DeadLetterAsync();
        Assert.Contains("MaxDeliveries is 3", letter.Text(WireHeaders.DeadReason), StringComparison.Ordinal);
        Assert.Equal(0, task.Runs);
    }

    [Fact]
    public async Task A_suspect_handed_out_less_often_still_runs()
    {
        var task = TestTask.Returning("ok");
        await using var host = JobsHost.Create(jobs => jobs.AddTask(task).AddWorker(w => w.MaxDeliveries = 2));
        host.Transport.Quarantines = true;
        await host.SendAsync(TestMessage.Of(task: "ok", id: "j"));
        await using (var dying = await host.Transport.Inner.SubscribeAsync(new() { Queues = ["jobs"], Prefetch = 1 }, CancellationToken.None))
        {
            await dying.NextAsync().Soon();
        }

        await host.StartAsync();
        await host.AckedAsync("j");
        Assert.Equal(1, task.Runs);
    }

    // Nothing is set aside in memory: what ends a process ends its jobs. Only stops count there, and stopping spends no attempt.
    [Fact]
    public async Task A_job_that_many_stops_gave_back_is_no_suspect_and_runs()
    {
        var task = TestTask.Returning("ok");
        await using var host = JobsHost.Create(jobs => jobs.AddTask(task).AddWorker(w => w.MaxDeliveries = 2));
        await host.SendAsync(TestMessage.Of(task: "ok", id: "j"));
        for (var i = 0; i < 25; i++)
        {
            await using var stopping = await host.Transport.Inner.SubscribeAsync(new() { Queues = ["jobs"], Prefetch = 1 }, CancellationToken.None);
            Assert.Equal(i, (await stopping.NextAsync().Soon())!.DeliveryCount);
        }

        await host.StartAsync();
        await host.AckedAsync("j");
        Assert.Equal(1, task.Runs);
    }

    /// <summary>Given back for it, a job that succeeded would run again and again. (aspnet/Logging #304, dotnet/runtime #73303)</summary>
    [Fact]
    public async Task A_logger_that_throws_changes_nothing_about_a_job()
    {
        var (good, bad) = (TestTask.Returning("good"), TestTask.Throwing("bad", () => new DeadJobException("no")));
        await using var host = JobsHost.Create(jobs =>
        {
            jobs.AddTask(good).AddTask(bad).AddWorker(w => w.Concurrency = 1);
            jobs.Services.AddSingleton<ILoggerProvider>(new ThrowingLogs("Jobs.Working.JobObserver"));
        });
        await host.StartAsync();
        await host.EnqueueAsync("good", "1");
        await host.EnqueueAsync("bad", "2");
        await host.EnqueueAsync(new Job("good") { Id = "3", Expires = TimeSpan.FromTicks(1) });
        await host.EnqueueAsync("good", "4");

        await host.AckedAsync("1");
        await host.AckedAsync("2");
        await host.AckedAsync("3");
        await host.AckedAsync("4");
        Assert.Equal((2, 1), (good.Runs, bad.Runs));
        Assert.Equal(1, await host.CountAsync("jobs.dead"));
    }

    [Fact]
    public async Task A_result_is_written_when_somebody_wants_it()
    {
        await using var host = await JobsHost.StartAsync(TestTask.Returning("ok"));
        var executor = host.Services.GetRequiredService<Executor>();
        var (wanted, unwanted) = (Attempt(true), Attempt(false));
        await executor.RunAsync(wanted);
        await executor.RunAsync(unwanted);

        Assert.Equal("null", Encoding.UTF8.GetString(((Outcome.Succeeded)wanted.Outcome!).Result.Span)); // as Celery writes the result of a task without one
        Assert.True(((Outcome.Succeeded)unwanted.Outcome!).Result.IsEmpty);

        Attempt Attempt(bool wantsResult) => TestAttempt.Of(TestMessage.Of(task: "ok"), task: host.Services.GetRequiredService<TaskRegistry>().Find("ok"), wantsResult: wantsResult);
    }

    sealed class ThrowingLogs(string category) : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => categoryName == category ? this : NullLogger.Instance;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => throw new IOException("The log is full.");

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => throw new IOException("The log is full.");

        public void Dispose()
        {
        }
    }
}
