using Jobs.Contracts;
using Jobs.Wire;
using Xunit;

namespace Jobs.Tests.Working;

/// <summary>Faults between the steps of a job's path: write the next home, then leave the old one; and what is not the task's own failure never acks.</summary>
public sealed class CrashPointTests
{
    // A job that could not be settled is given back after a pause; in steps small enough not to pass its retry delay as well.
    static readonly TimeSpan afterFailure = TimeSpan.FromMilliseconds(100);

    /// <summary>A settlement that fails gives back, and leaves nothing in hand. (Wolverine #3767)</summary>
    [Fact]
    public async Task A_retry_copy_that_cannot_be_published_releases_the_original()
    {
        var task = TestTask.Throwing("fail", () => new TimeoutException());
        await using var host = await JobsHost.StartAsync(jobs => jobs.Configure(o => (o.RetryDelay, o.MaxRetryDelay) = (TimeSpan.FromDays(9), TimeSpan.FromDays(9))), task);
        Break(host, FaultStep.Publish, queue => queue == "jobs", times: 1, skip: 1); // the first publish is the enqueue
        await host.EnqueueAsync("fail", "j");
        await host.AdvanceUntil(() => host.Verbs("j").Count() == 2, TimeSpan.FromMilliseconds(50));

        Assert.Equal([FaultStep.Release, FaultStep.Ack], host.Verbs("j"));
        Assert.Equal(2, task.Runs); // the same attempt again
        Assert.Equal([null, "Int32 1"], host.Published("j").Select(p => p.Message.Text(WireHeaders.Retries)));
        Assert.Single(host.Logs.Lines, l => l.EventId == 104);
    }

    [Fact]
    public async Task A_dead_letter_that_cannot_be_published_releases_the_original()
    {
        var task = TestTask.Throwing("dead", () => new DeadJobException("no"));
        await using var host = await JobsHost.StartAsync(task);
        Break(host, FaultStep.Publish, queue => queue == "jobs.dead", times: 2);
        await host.EnqueueAsync("dead", "j");
        await host.AdvanceUntil(() => host.Verbs("j").Count() == 3, TimeSpan.FromMilliseconds(50));
        var letter = await host.DeadLetterAsync();

        Assert.Equal("j", letter.CorrelationId);
        Assert.Equal([FaultStep.Release, FaultStep.Release, FaultStep.Ack], host.Verbs("j"));
        Assert.Equal(0, await host.CountAsync());
    }

    [Fact]
    public async Task The_log_says_that_nothing_is_left_of_a_job_acked_early_whose_dead_letter_cannot_be_published()
    {
        var task = new TestTask("early", (_, _) => throw new TimeoutException()) { AckEarly = true };
        await using var host = await JobsHost.StartAsync(task);
        Break(host, FaultStep.Publish, queue => queue == "jobs.dead", times: 1);
        await host.EnqueueAsync("early", "j");
        await host.AdvanceUntil(() => host.Logs.Lines.Any(l => l.EventId == 106), TimeSpan.FromMilliseconds(50));

        Assert.DoesNotContain(host.Logs.Lines, l => l.EventId == 104); // it does not run again
        Assert.Equal(1, task.Runs);
    }

    /// <summary>Given back, the job would run, fail and be refused again, for ever.</summary>
    [Fact]
    public async Task A_retry_copy_that_is_refused_for_good_becomes_a_dead_letter()
    {
        var task = TestTask.Throwing("fail", () => new TimeoutException());
        await using var host = await JobsHost.StartAsync(task);
        var publishes = 0;
        host.Transport.Fault = (step, queue, _) => step == FaultStep.Publish && queue == "jobs" && Interlocked.Increment(ref publishes) > 1
            ? new JobPublishException("j", maybeEnqueued: false, isTransient: false, "It is too large.")
            : null;
        await host.EnqueueAsync("fail", "j");
        var letter = await host.DeadLetterAsync();

        Assert.Contains("too large", letter.Text(WireHeaders.DeadReason), StringComparison.Ordinal);
        Assert.Equal("jobs", letter.Text(WireHeaders.DeadQueue));
        await host.AckedAsync("j");
        Assert.Equal(1, task.Runs);
    }

    [Fact]
    public async Task A_retry_copy_that_arrived_unnoticed_leaves_two_of_one_id_and_never_none()
    {
        var task = TestTask.Throwing("fail", () => new TimeoutException());
        await using var host = await JobsHost.StartAsync(jobs => jobs.Configure(o => (o.RetryDelay, o.MaxRetryDelay) = (TimeSpan.FromDays(9), TimeSpan.FromDays(9))), task);
        Break(host, FaultStep.Published, queue => queue == "jobs", times: 1, skip: 1);
        await host.EnqueueAsync("fail", "j");
        await host.AdvanceUntil(() => host.Verbs("j").Count() == 2, TimeSpan.FromMilliseconds(50));

        Assert.Equal([FaultStep.Release, FaultStep.Ack], host.Verbs("j"));
        Assert.Equal(3, host.Published("j").Length);
        Assert.All(host.Published("j"), p => Assert.Equal("j", p.Message.Text(WireHeaders.Id)));
    }

    [Fact]
    public async Task An_ack_that_fails_after_the_copy_loses_nothing_and_the_duplicate_has_the_same_id()
    {
        var task = new TestTask("fail", (context, _) => context.Attempt == 1 ? throw new TimeoutException() : Task.CompletedTask);
        await using var host = await JobsHost.StartAsync(task);
        Break(host, FaultStep.Ack, _ => true, times: 1);
        await host.EnqueueAsync("fail", "j");
        await host.AdvanceUntil(() => host.Verbs("j").Any(), TimeSpan.FromSeconds(1));
        Assert.Equal([FaultStep.Ack], host.Verbs("j")); // the copy's
        await host.DisposeAsync(); // what was not settled goes back

        Assert.Equal(1, await host.CountAsync());
        await using var next = await host.Transport.Inner.SubscribeAsync(new() { Queues = ["jobs"], Prefetch = 1 }, CancellationToken.None);
        var duplicate = await next.NextAsync().Soon();
        Assert.Equal("j", duplicate!.Message.Text(WireHeaders.Id));
        Assert.Null(duplicate.Message.Text(WireHeaders.Retries));
    }

    [Fact]
    public async Task An_ack_that_fails_after_success_leaves_the_job_with_the_broker()
    {
        var task = TestTask.Returning("ok");
        await using var host = await JobsHost.StartAsync(task);
        Break(host, FaultStep.Ack, _ => true, times: 1);
        await host.EnqueueAsync("ok", "j");
        await Wait.Until(() => host.Logs.Lines.Any(l => l.EventId == 104));
        await host.DisposeAsync();

        Assert.Empty(host.Verbs("j"));
        Assert.Equal(1, await host.CountAsync());
    }

    /// <summary>A settlement that fails takes no slot with it. (Wolverine #3767, MassTransit #5668)</summary>
    [Fact]
    public async Task Slots_survive_a_transport_that_fails_to_ack_and_to_release()
    {
        var task = TestTask.Throwing("fail", () => new DeadJobException("no"));
        await using var host = await JobsHost.StartAsync(
            jobs => jobs.AddWorker(w => (w.Concurrency, w.Prefetch) = (2, 100)).AddTask(TestTask.Returning("ok")),
            task);
        host.Transport.Fault = (step, _, message) => message.Text("task") == "fail" && step != FaultStep.Publish ? new IOException("gone") : null;
        for (var i = 0; i < 10; i++)
        {
            await host.SendAsync(TestMessage.Of(task: "fail"));
        }

        await host.SendAsync(TestMessage.Of(id: "good", task: "ok"));
        await host.AdvanceUntil(() => host.Verbs("good").Any(), TimeSpan.FromMilliseconds(50));
        await host.AckedAsync("good");
        await host.AdvanceUntil(() => task.Runs >= 10, TimeSpan.FromMilliseconds(50)); // and copies, as the clock goes on
    }

    [Fact]
    public async Task An_enqueue_that_fails_tells_its_caller()
    {
        await using var host = await JobsHost.StartAsync(TestTask.Returning("ok"));
        host.Transport.Fault = (_, _, _) => new JobPublishException("j", maybeEnqueued: true, isTransient: true, "gone");
        var thrown = await Assert.ThrowsAsync<JobPublishException>(() => host.EnqueueAsync("ok", "j"));
        Assert.True(thrown.MaybeEnqueued);
        host.Transport.Fault = (_, _, _) => null;
    }

    static void Break(JobsHost host, FaultStep at, Func<string, bool> queue, int times, int skip = 0)
    {
        var hits = 0;
        host.Transport.Fault = (step, name, _) =>
        {
            if (step != at || !queue(name))
            {
                return null;
            }

            var hit = Interlocked.Increment(ref hits);
            return hit > skip && hit <= skip + times ? new IOException($"broken at {at}") : null;
        };
    }
}
