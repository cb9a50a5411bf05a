using Jobs.Contracts;
using Jobs.Wire;
using Xunit;

namespace Jobs.Tests.Working;

/// <summary>A task that has nothing to do yet.</summary>
public sealed class SnoozeTests
{
    static readonly TimeSpan minute = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task A_job_that_snoozes_runs_again_after_its_delay_as_often_as_it_likes_and_spends_no_attempt()
    {
        var attempts = new List<int>();
        var task = new TestTask("poll", (context, _) =>
        {
            attempts.Add(context.Attempt);
            return attempts.Count < 6 ? throw new SnoozeJobException(minute) : Task.CompletedTask;
        });
        await using var host = await JobsHost.StartAsync(jobs => jobs.Configure(o => o.MaxRetries = 0), task);
        await host.EnqueueAsync("poll", "j");
        await host.AdvanceUntil(() => task.Runs == 6, minute);
        await host.AckedAsync("j", times: 6);

        Assert.Equal([1, 1, 1, 1, 1, 1], attempts);
        Assert.All(host.Published("j").Skip(1), copy => Assert.Equal(minute, copy.Delay));
        Assert.Equal(5, host.Logs.Lines.Count(l => l.EventId == 206));
        Assert.Equal(0, await host.CountAsync("jobs.dead"));
    }

    [Fact]
    public async Task A_failure_after_a_snooze_is_the_first_failure()
    {
        var task = new TestTask("poll", (context, _) => throw (context.Headers.ContainsKey(WireHeaders.Eta) ? new InvalidOperationException("broken") : new SnoozeJobException(minute)));
        await using var host = await JobsHost.StartAsync(jobs => jobs.Configure(o => o.MaxRetries = 0), task);
        await host.EnqueueAsync("poll");
        await host.AdvanceUntil(() => task.Runs == 2, minute);

        Assert.Contains("failed once", (await host.DeadLetterAsync()).Text(WireHeaders.DeadReason), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_job_that_would_expire_while_it_snoozes_is_a_dead_letter_that_says_so()
    {
        var task = TestTask.Throwing("poll", () => new SnoozeJobException(minute, "the file is not there yet"));
        await using var host = await JobsHost.StartAsync(task);
        await host.EnqueueAsync(new Job("poll") { Expires = minute / 2 });

        var reason = (await host.DeadLetterAsync()).Text(WireHeaders.DeadReason);
        Assert.Contains("it expires at", reason, StringComparison.Ordinal);
        Assert.Contains("the file is not there yet", reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(-1, 0)]
    [InlineData(0, 0)]
    public async Task A_delay_that_is_not_positive_is_none(int seconds, int expected)
    {
        var task = new TestTask("poll", (context, _) => context.Headers.ContainsKey(WireHeaders.Eta) ? Task.CompletedTask : throw new SnoozeJobException(TimeSpan.FromSeconds(seconds)));
        await using var host = await JobsHost.StartAsync(task);
        await host.EnqueueAsync("poll", "j");
        await host.AckedAsync("j", times: 2);

        Assert.Equal(TimeSpan.FromSeconds(expected), host.Published("j")[1].Delay);
    }

    [Fact]
    public async Task A_stop_changes_nothing_about_a_snooze()
    {
        var started = new TaskCompletionSource();
        var task = new TestTask("poll", async (context, _) =>
        {
            started.TrySetResult();
            await Task.Delay(Timeout.InfiniteTimeSpan, context.CancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw new AggregateException(new SnoozeJobException(TimeSpan.FromHours(1)));
        });
        await using var host = await JobsHost.StartAsync(task);
        await host.EnqueueAsync("poll", "j");
        await started.Task.Soon();
        var stop = host.StopAsync();
        await host.AdvanceUntil(() => stop.IsCompleted, TimeSpan.FromSeconds(1));

        Assert.Equal(TimeSpan.FromHours(1), host.Published("j")[1].Delay);
        Assert.Equal([FaultStep.Ack], host.Verbs("j"));
    }
}
