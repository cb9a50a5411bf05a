using Jobs.Contracts;
using Jobs.Tests.Working;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace Jobs.Tests.Hosting;

/// <summary>Jobs run when the application has started: migrations and warm-up are over. (quartznet #1432, IoT-Hub-Portal #1206)</summary>
public sealed class ApplicationStartTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_worker_takes_its_first_job_after_the_application_has_started_unless_it_is_told_to_start_earlier(bool waits)
    {
        var (ran, migrated) = (new TaskCompletionSource(), new TaskCompletionSource());
        await using var host = JobsHost.Create(jobs =>
        {
            jobs.AddWorker(worker => worker.WaitForApplicationStart = waits).AddTask(new TestTask("t", (_, _) =>
            {
                ran.TrySetResult();
                return Task.CompletedTask;
            }));
            jobs.Services.AddHostedService(_ => new Migration(migrated.Task));
        });
        await host.EnqueueAsync("t", "j");
        var start = host.StartAsync();
        if (!waits)
        {
            await ran.Task.Soon(); // while the migration runs
        }

        Assert.False(start.IsCompleted);
        Assert.Equal(waits ? 1 : 0, await host.CountAsync());
        migrated.SetResult();
        await start.Soon();
        await host.AckedAsync("j");
    }

    [Fact]
    public async Task A_start_that_fails_has_taken_no_job()
    {
        var task = TestTask.Returning("t");
        await using var host = JobsHost.Create(jobs =>
        {
            jobs.AddWorker().AddTask(task);
            jobs.Services.AddHostedService(_ => new Migration(Task.FromException(new InvalidOperationException("no database"))));
        });
        await host.EnqueueAsync("t", "j");
        await Assert.ThrowsAsync<InvalidOperationException>(host.StartAsync);

        Assert.Equal(1, await host.CountAsync());
        Assert.Equal(0, task.Runs);
    }

    sealed class Migration(Task done) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => done.WaitAsync(cancellationToken);

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
