using Jobs.Contracts;
using Jobs.Transport;
using Jobs.Wire;
using Xunit;

namespace Jobs.Tests.Working;

/// <summary>What callers are told, on a clock that the test moves.</summary>
public sealed class ResultNewsTests
{
    /// <summary>Counted from the time when it should have started, the result could be forgotten before anybody hears of it.</summary>
    [Fact]
    public async Task The_result_of_a_job_that_expired_long_ago_is_kept_from_the_moment_when_a_worker_sees_it()
    {
        await using var host = await JobsHost.StartAsync(TestTask.Returning("t"));
        var message = TestMessage.Of(id: "j", task: "t", headers: [("expires", WireTime.Format(host.Clock.GetUtcNow() - TimeSpan.FromDays(3)))]);

        await host.SendAsync(message with { ReplyTo = "caller" });
        await host.AckedAsync("j");

        var news = Assert.Single(host.Transport.Published).Message;
        Assert.Equal(JobState.Expired, ResultMessage.Read(news.Body).State);
        Assert.Equal(host.Clock.GetUtcNow() + TimeSpan.FromDays(1), news.Headers.Expires);
    }

    [Fact]
    public async Task A_sender_that_wants_no_result_gets_none()
    {
        await using var host = await JobsHost.StartAsync(TestTask.Returning("t"));

        await host.SendAsync(TestMessage.Of(id: "j", task: "t", headers: [("ignore_result", true)]) with { ReplyTo = "caller" });
        await host.SendAsync(TestMessage.Of(id: "k", task: "t", headers: [("ignore_result", false)]) with { ReplyTo = "caller" });
        await host.AckedAsync("j");
        await host.AckedAsync("k");

        Assert.Equal("k", Assert.Single(host.Transport.Published).Message.CorrelationId);
    }

    [Fact]
    public async Task A_message_that_cannot_be_read_fails_its_caller()
    {
        await using var host = await JobsHost.StartAsync(TestTask.Returning("t"));

        await host.SendAsync(TestMessage.Of(id: "j", task: "t", body: "7") with { ReplyTo = "caller" });
        await host.AckedAsync("j");

        var news = Assert.Single(host.Transport.Published, p => p.Queue == "caller").Message;
        Assert.Equal((JobState.Dead, "Jobs.JobFormatException"), (ResultMessage.Read(news.Body).State, ResultMessage.Read(news.Body).Error!.Type));
    }

    [Fact]
    public async Task A_wait_inside_of_a_job_is_a_warning()
    {
        JobsHost? host = null;
        var inner = TestTask.Returning("inner");
        var outer = new TestTask("outer", async (_, _) => await host!.Dispatcher.CallAsync(new Job("inner"), Wait.Deadline, TestContext.Current.CancellationToken));
        await using (host = await JobsHost.StartAsync(outer, inner))
        {
            await host.EnqueueAsync("outer", "o");
            await host.AckedAsync("o");

            var line = Assert.Single(host.Logs.Lines, l => l.EventId == 120);
            Assert.StartsWith("Job outer o waits for the result of job", line.Text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task News_that_cannot_be_sent_do_not_fail_the_job()
    {
        var task = new TestTask("t", async (context, _) => await context.ReportProgressAsync(0.5));
        await using var host = await JobsHost.StartAsync(task);
        host.Transport.Fault = (step, queue, message) =>
            step == FaultStep.Publish && queue == "caller" && ResultMessage.Read(message.Body).State == JobState.Running ? new IOException("gone") : null;

        await host.SendAsync(TestMessage.Of(id: "j", task: "t") with { ReplyTo = "caller" });
        await host.AckedAsync("j");

        Assert.Single(host.Logs.Lines, l => l.EventId == 121);
        Assert.Equal(1, task.Runs);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => new JobContext(TestAttempt.Of(TestMessage.Of()), null!, null!).ReportProgressAsync(1.5, null, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_result_is_asked_for_by_the_attribute_by_the_call_or_not_at_all_and_the_call_wins()
    {
        await using var host = await JobsHost.StartAsync(new TestTask("tracked", (_, _) => Task.CompletedTask) { TrackResult = true }, TestTask.Returning("t"));

        var tracked = await host.EnqueueAsync("tracked");
        await tracked.WaitAsync(Wait.Deadline, TestContext.Current.CancellationToken);
        var not = await host.EnqueueAsync(new Job("tracked") { Result = false });
        await Assert.ThrowsAsync<InvalidOperationException>(() => not.WaitAsync(Wait.Deadline, TestContext.Current.CancellationToken));
        var asked = await host.EnqueueAsync(new Job("t") { Result = true });
        await asked.WaitAsync(Wait.Deadline, TestContext.Current.CancellationToken);
    }
}
