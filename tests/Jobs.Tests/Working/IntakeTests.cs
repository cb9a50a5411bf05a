using Jobs.Contracts;
using Jobs.Transport;
using Jobs.Wire;
using Xunit;

namespace Jobs.Tests.Working;

/// <summary>What is decided before a slot is taken, so that a job that will not run waits for none.</summary>
public sealed class IntakeTests
{
    [Theory]
    [InlineData("nobody.knows", null, "jobs.dead")]
    [InlineData("work", "eta", "jobs")]
    [InlineData("work", "expires", null)]
    public async Task What_will_not_run_is_settled_while_every_slot_is_busy(string name, string? header, string? goesTo)
    {
        var (started, finish) = (new TaskCompletionSource(), new TaskCompletionSource());
        var task = new TestTask("work", async (_, _) =>
        {
            started.TrySetResult();
            await finish.Task;
        });
        await using var host = await JobsHost.StartAsync(jobs => jobs.AddWorker(w => (w.Concurrency, w.Prefetch) = (1, 10)), task);
        await host.EnqueueAsync("work", "runs");
        await started.Task.Soon();
        await host.EnqueueAsync("work", "waits");

        var when = WireTime.Format(host.Clock.GetUtcNow() + (header == "eta" ? TimeSpan.FromMinutes(5) : TimeSpan.FromMinutes(-5)));
        await host.SendAsync(TestMessage.Of(id: "j", task: name, headers: header is null ? [] : [(header, when)]));
        await host.AckedAsync("j");

        Assert.Equal(1, task.Runs);
        Assert.Equal(goesTo is null ? [] : [goesTo], host.Published("j").Select(p => p.Queue));
        finish.SetResult();
    }

    /// <summary>One queue's jobs fill the slots and wait for more; the other queue's next job is the next to run, not the last.</summary>
    [Fact]
    public async Task A_queue_with_a_backlog_does_not_hold_up_another()
    {
        var order = new List<string>();
        var (started, finish) = (new TaskCompletionSource(), new TaskCompletionSource());
        var task = new TestTask("work", async (context, _) =>
        {
            lock (order)
            {
                order.Add(context.Id);
            }

            started.TrySetResult();
            await finish.Task;
        });
        await using var host = await JobsHost.StartAsync(jobs => jobs.AddWorker(w => (w.Concurrency, w.Prefetch, w.Queues) = (1, 10, ["a", "b"])), task);
        await host.EnqueueAsync(new Job("work") { Id = "a0", Queue = "a" });
        await started.Task.Soon();
        foreach (var id in new[] { "a1", "a2", "a3", "b1" })
        {
            await host.EnqueueAsync(new Job("work") { Id = id, Queue = id[..1] });
        }

        await Wait.Until(() => host.Waiting == 4);
        finish.SetResult();
        await host.AckedAsync("a3");
        Assert.Equal(["a0", "a1", "b1", "a2", "a3"], order);
    }

    [Fact]
    public async Task A_job_that_expires_while_it_waits_for_a_slot_does_not_run()
    {
        var (started, finish) = (new TaskCompletionSource(), new TaskCompletionSource());
        var task = new TestTask("work", async (_, _) =>
        {
            started.TrySetResult();
            await finish.Task;
        });
        await using var host = await JobsHost.StartAsync(jobs => jobs.AddWorker(w => (w.Concurrency, w.Prefetch) = (1, 10)), task);
        await host.EnqueueAsync("work", "runs");
        await started.Task.Soon();
        await host.EnqueueAsync(new Job("work") { Id = "late", Expires = TimeSpan.FromMinutes(1) });
        await Wait.Until(() => host.Waiting == 1);

        host.Clock.Advance(TimeSpan.FromMinutes(2));
        finish.SetResult();
        await host.AckedAsync("late");

        Assert.Equal(1, task.Runs);
        Assert.Single(host.Logs.Lines, l => l.EventId == 203);
    }

    [Fact]
    public async Task A_message_that_cannot_be_read_is_logged_under_the_names_that_its_headers_give()
    {
        await using var host = await JobsHost.StartAsync(TestTask.Returning("ok"));
        await host.SendAsync(TestMessage.Of(id: "the id", task: "tasks.add") with { ContentType = "application/x-python-serialize" });
        await host.SendAsync(TestMessage.Of(id: "other", task: "ok", body: "no json"));
        await host.DeadLetterAsync();
        await host.DeadLetterAsync();

        Assert.Contains(host.Logs.Lines, l => l.EventId == 202 && l.Text.Contains("tasks.add the id", StringComparison.Ordinal));
        Assert.Contains(host.Logs.Lines, l => l.EventId == 202 && l.Text.Contains("ok other", StringComparison.Ordinal));
    }
}
