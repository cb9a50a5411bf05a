using Jobs.Contracts;
using Jobs.Wire;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Jobs.Tests.Working;

/// <summary>Interrupted is not failed.</summary>
public sealed class StoppingTests
{
    [Fact]
    public async Task A_job_that_ends_within_the_drain_is_acked_and_what_had_not_started_goes_back()
    {
        var (started, finish) = (new TaskCompletionSource(), new TaskCompletionSource());
        var interrupted = false;
        var task = new TestTask("work", async (context, _) =>
        {
            started.TrySetResult();
            await finish.Task;
            interrupted |= context.CancellationToken.IsCancellationRequested;
        });
        await using var host = await JobsHost.StartAsync(jobs => jobs.AddWorker(w => (w.Concurrency, w.Prefetch) = (1, 10)), task);
        foreach (var id in new[] { "running", "waiting 1", "waiting 2" })
        {
            await host.EnqueueAsync("work", id);
        }

        await started.Task.Soon();
        var stop = host.StopAsync();
        await Wait.Until(() => host.Transport.Stopped == 1);
        await Wait.Until(async () => await host.CountAsync() == 2); // at once, not when the running job ends
        Assert.False(stop.IsCompleted);
        finish.SetResult();
        await stop.Soon();

        await host.AckedAsync("running");
        Assert.Equal(1, task.Runs);
        Assert.False(interrupted);
        Assert.Equal(2, await host.CountAsync());
    }

    [Fact]
    public async Task A_job_that_outlasts_the_drain_is_interrupted_and_spends_no_attempt()
    {
        var started = new TaskCompletionSource();
        var task = new TestTask("long", async (context, _) =>
        {
            started.TrySetResult();
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.CancellationToken);
        });
        await using var host = await JobsHost.StartAsync(jobs => jobs.AddWorker(w => w.DrainTimeout = TimeSpan.FromSeconds(20)), task);
        await host.SendAsync(TestMessage.Of(id: "j", task: "long", headers: [("retries", 1)]));
        await started.Task.Soon();

        var begun = host.Clock.GetUtcNow();
        var stop = host.StopAsync();
        await host.AdvanceUntil(() => host.Verbs("j").Any(), TimeSpan.FromSeconds(1));
        Assert.True(host.Clock.GetUtcNow() - begun >= TimeSpan.FromSeconds(20), "It was interrupted before its drain was over.");
        await stop.Soon();

        Assert.Equal([FaultStep.Release], host.Verbs("j"));
        Assert.Empty(host.Published("j"));
        Assert.Equal(0, await host.CountAsync("jobs.dead"));
        await using var next = await host.Transport.Inner.SubscribeAsync(new() { Queues = ["jobs"], Prefetch = 1 }, CancellationToken.None);
        var back = await next.NextAsync().Soon();
        Assert.Equal(1, back!.Message.Headers[WireHeaders.Retries]);
        Assert.Contains(host.Logs.Lines, l => l.EventId == 204);
    }

    [Fact]
    public async Task A_job_that_ignores_its_token_does_not_hold_up_the_stop_and_runs_again()
    {
        var (started, finish) = (new TaskCompletionSource(), new TaskCompletionSource());
        var task = new TestTask("deaf", async (_, _) =>
        {
            started.TrySetResult();
            await finish.Task;
        });
        await using var host = await JobsHost.StartAsync(task);
        await host.EnqueueAsync("deaf", "j");
        await started.Task.Soon();
        var stop = host.StopAsync();
        await host.AdvanceUntil(() => stop.IsCompleted, TimeSpan.FromSeconds(1));
        await stop;

        Assert.Equal(1, await host.CountAsync());
        finish.SetResult(); // its late ack takes nothing away
        await Wait.Until(() => host.Transport.Settled.Any());
        Assert.Equal(1, await host.CountAsync());
    }

    [Fact]
    public async Task A_job_that_fails_of_its_own_during_the_drain_is_retried_as_ever()
    {
        var (started, finish) = (new TaskCompletionSource(), new TaskCompletionSource());
        var task = new TestTask("fail", async (_, _) =>
        {
            started.TrySetResult();
            await finish.Task;
            throw new OperationCanceledException("the task's own");
        });
        await using var host = await JobsHost.StartAsync(task);
        await host.EnqueueAsync("fail", "j");
        await started.Task.Soon();
        var stop = host.StopAsync();
        await Wait.Until(() => host.Transport.Stopped == 1);
        finish.SetResult();
        await stop.Soon();

        Assert.Equal(1, host.Published("j")[1].Message.Headers[WireHeaders.Retries]);
    }

    [Fact]
    public async Task A_host_that_never_started_stops()
    {
        await using var host = JobsHost.Create(jobs => jobs.AddWorker());
        Assert.NotNull(host.Services.GetRequiredService<IJobDispatcher>());
    }
}
