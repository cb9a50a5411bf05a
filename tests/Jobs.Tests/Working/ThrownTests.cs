using System.Reflection;
using Jobs.Contracts;
using Jobs.Wire;
using Xunit;

namespace Jobs.Tests.Working;

/// <summary>What a task throws, however it is wrapped, disguised or broken.</summary>
public sealed class ThrownTests
{
    public static TheoryData<string> Wrappers => ["none", "Wait", "reflection", "both"];

    /// <summary>durabletask-dotnet #155, azure-functions-durable-extension #2762</summary>
    [Theory, MemberData(nameof(Wrappers))]
    public async Task A_DeadJobException_inside_of_others_ends_the_job_at_once(string wrapper)
    {
        var task = TestTask.Throwing("t", () => Wrap(wrapper, new DeadJobException("no such user")));
        await using var host = await JobsHost.StartAsync(task);
        await host.EnqueueAsync("t");

        Assert.Equal("no such user", (await host.DeadLetterAsync()).Text(WireHeaders.DeadReason));
        Assert.Equal(1, task.Runs);
    }

    /// <summary>durabletask-dotnet #155, azure-functions-durable-extension #2762</summary>
    [Theory, MemberData(nameof(Wrappers))]
    public async Task A_RetryJobException_inside_of_others_says_when_the_job_runs_again(string wrapper)
    {
        await using var host = await JobsHost.StartAsync(TestTask.Throwing("t", () => Wrap(wrapper, new RetryJobException(TimeSpan.FromHours(1)))));
        await host.EnqueueAsync("t", "j");
        await host.AckedAsync("j");

        Assert.Equal(TimeSpan.FromHours(1), host.Published("j")[1].Delay);
    }

    [Fact]
    public async Task Of_several_exceptions_the_one_that_says_never_again_counts_and_an_inner_cause_does_not()
    {
        var several = TestTask.Throwing("several", () => new AggregateException(new TimeoutException(), new RetryJobException(), new AggregateException(new DeadJobException("no"))));
        var cause = TestTask.Throwing("cause", () => new InvalidOperationException("it failed", new DeadJobException("a cause is no decision")));
        await using var host = await JobsHost.StartAsync(several, cause);
        await host.EnqueueAsync("several");
        Assert.Equal("no", (await host.DeadLetterAsync()).Text(WireHeaders.DeadReason));

        await host.EnqueueAsync("cause", "c");
        await host.AckedAsync("c");
        Assert.Equal(2, host.Published("c").Length); // it is retried
    }

    public static TheoryData<string> WaysToEnd => ["Wait", "driver", "RetryJobException", "return"];

    /// <summary>SqlClient #26 and #51, Hangfire #453</summary>
    [Theory, MemberData(nameof(WaysToEnd))]
    public async Task A_job_that_its_workers_stop_ended_is_given_back_whatever_it_throws(string way)
    {
        var started = new TaskCompletionSource();
        var task = new TestTask("t", async (context, _) =>
        {
            started.TrySetResult();
            await Task.Delay(Timeout.InfiniteTimeSpan, context.CancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw way switch
            {
                "Wait" => new AggregateException(new TaskCanceledException()),
                "driver" => new InvalidOperationException("Operation cancelled by user."),
                "RetryJobException" => new RetryJobException(),
                _ => new OperationCanceledException(),
            };
        });
        await using var host = await JobsHost.StartAsync(jobs => jobs.Configure(o => o.MaxRetries = 0), task);
        await host.EnqueueAsync("t", "j");
        await started.Task.Soon();
        var stop = host.StopAsync();
        await host.AdvanceUntil(() => stop.IsCompleted, TimeSpan.FromSeconds(1));

        Assert.Equal([FaultStep.Release], host.Verbs("j"));
        Assert.Equal(0, await host.CountAsync("jobs.dead"));
        Assert.Single(host.Logs.Lines, l => l.EventId == 204);
    }

    [Fact]
    public async Task A_task_that_says_never_again_when_it_is_stopped_is_believed()
    {
        var started = new TaskCompletionSource();
        var task = new TestTask("t", async (context, _) =>
        {
            started.TrySetResult();
            await Task.Delay(Timeout.InfiniteTimeSpan, context.CancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw new DeadJobException("half done");
        });
        await using var host = await JobsHost.StartAsync(task);
        await host.EnqueueAsync("t", "j");
        await started.Task.Soon();
        var stop = host.StopAsync();
        await host.AdvanceUntil(() => stop.IsCompleted, TimeSpan.FromSeconds(1));

        Assert.Equal("half done", (await host.DeadLetterAsync()).Text(WireHeaders.DeadReason));
    }

    [Fact]
    public async Task A_job_acked_early_that_its_workers_stop_ended_leaves_a_dead_letter_for_nobody_runs_it_again()
    {
        var started = new TaskCompletionSource();
        var task = new TestTask("t", async (context, _) =>
        {
            started.TrySetResult();
            await Task.Delay(Timeout.InfiniteTimeSpan, context.CancellationToken);
        }) { AckEarly = true };
        await using var host = await JobsHost.StartAsync(task);
        await host.EnqueueAsync("t", "j");
        await started.Task.Soon();
        var stop = host.StopAsync();
        await host.AdvanceUntil(() => stop.IsCompleted, TimeSpan.FromSeconds(1));

        Assert.StartsWith("Its worker stopped while it ran", (await host.DeadLetterAsync()).Text(WireHeaders.DeadReason), StringComparison.Ordinal);
    }

    public static TheoryData<string, bool> Hostile => new()
    {
        { "Message", false }, { "Message", true }, { "StackTrace", false }, { "StackTrace", true }, { "ToString", false }, { "ToString", true }, { "all", false }, { "all", true },
    };

    /// <summary>parallel-consumer PR #267</summary>
    [Theory, MemberData(nameof(Hostile))]
    public async Task An_exception_that_throws_when_it_is_read_is_a_failure_like_any_other(string member, bool ackEarly)
    {
        var task = new TestTask("t", (_, _) => throw new HostileException(member)) { AckEarly = ackEarly };
        await using var host = await JobsHost.StartAsync(jobs => jobs.Configure(o => o.MaxRetries = 1), task);
        await host.EnqueueAsync("t", "j");
        if (!ackEarly)
        {
            await Wait.Until(() => host.Published("j").Length == 2);
            host.Clock.Advance(host.Published("j")[1].Delay);
        }

        var letter = await host.DeadLetterAsync();
        Assert.Equal(ackEarly ? 1 : 2, task.Runs);
        Assert.Contains(nameof(HostileException), letter.Text(WireHeaders.DeadException)!, StringComparison.Ordinal);
        await host.AckedAsync("j", task.Runs);
        Assert.Single(host.Logs.Lines, l => l.EventId == 202);
    }

    static Exception Wrap(string wrapper, Exception e) => wrapper switch
    {
        "Wait" => new AggregateException(e),
        "reflection" => new TargetInvocationException(e),
        "both" => new TargetInvocationException(new AggregateException(new AggregateException(e))),
        _ => e,
    };

    sealed class HostileException(string member) : Exception
    {
        public override string Message => member is "Message" or "all" ? throw new InvalidOperationException() : "hostile";

        public override string? StackTrace => member is "StackTrace" or "all" ? throw new InvalidOperationException() : base.StackTrace;

        public override string ToString() => member is "ToString" or "all" ? throw new InvalidOperationException() : base.ToString();
    }
}
