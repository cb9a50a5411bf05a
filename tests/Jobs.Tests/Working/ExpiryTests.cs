using Jobs.Contracts;
using Jobs.Wire;
using Xunit;

namespace Jobs.Tests.Working;

/// <summary>A job that expires vanishes only when it never began, and when its sender could mean that. (django-celery-beat #955, celery #980, #3297)</summary>
public sealed class ExpiryTests
{
    static readonly TimeSpan second = TimeSpan.FromSeconds(1);

    [Fact]
    public async Task A_failed_job_that_expires_before_its_next_attempt_is_a_dead_letter_at_once()
    {
        var task = TestTask.Throwing("t", () => new RetryJobException(60 * second, "the feed is down"));
        await using var host = await JobsHost.StartAsync(task);
        await host.EnqueueAsync(new Job("t") { Id = "j", Expires = 2 * second });

        var letter = await host.DeadLetterAsync();
        Assert.StartsWith("It failed, and expires at 2030-01-01 00:00:02Z, before its next attempt", letter.Text(WireHeaders.DeadReason), StringComparison.Ordinal);
        Assert.EndsWith("the feed is down", letter.Text(WireHeaders.DeadReason), StringComparison.Ordinal);
        Assert.Equal(1, task.Runs);
    }

    [Fact]
    public async Task A_retry_that_comes_too_late_is_a_dead_letter()
    {
        var task = TestTask.Returning("t");
        await using var host = await JobsHost.StartAsync(task);
        await host.SendAsync(TestMessage.Of(id: "j", task: "t", headers: [("retries", 2), ("expires", WireTime.Format(host.Clock.GetUtcNow() - second))]));

        var letter = await host.DeadLetterAsync();
        Assert.Equal("It failed 2 times, and expired at 2029-12-31 23:59:59Z before it could run again.", letter.Text(WireHeaders.DeadReason));
        Assert.Equal(0, task.Runs);
    }

    [Fact]
    public async Task A_job_that_would_expire_before_it_is_due_is_refused()
    {
        await using var host = await JobsHost.StartAsync(new TestTask("brief", (_, _) => Task.CompletedTask) { Expires = 5 * second });
        var now = host.Clock.GetUtcNow();

        await RefusedAsync(new Job("t") { Delay = 10 * second, Expires = 5 * second });
        await RefusedAsync(new Job("t") { Delay = 5 * second, Expires = 5 * second });
        await RefusedAsync(new Job("t") { Eta = now + 10 * second, Expires = 5 * second });
        await RefusedAsync(new Job("brief") { Delay = 10 * second });
        await RefusedAsync(new Job("brief") { Eta = now + 10 * second });
        await host.EnqueueAsync(new Job("brief") { Eta = now - 10 * second });
        await host.EnqueueAsync(new Job("brief") { Delay = 4 * second });

        async Task RefusedAsync(Job job) =>
            Assert.Contains("it would never run", (await Assert.ThrowsAsync<ArgumentException>(() => host.EnqueueAsync(job))).Message, StringComparison.Ordinal);
    }
}
