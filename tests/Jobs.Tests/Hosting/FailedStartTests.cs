using Jobs.Contracts;
using Jobs.Tests.Working;
using Jobs.Transport;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace Jobs.Tests.Hosting;

/// <summary>A service that starts after the worker throws: nobody stops the worker, the host is only disposed.</summary>
public sealed class FailedStartTests
{
    [Fact]
    public async Task The_worker_takes_no_jobs_any_more()
    {
        var memory = new InMemoryTransport(TimeProvider.System);
        var transport = new FaultyTransport(memory);
        await FailAsync(transport, [TestTask.Returning("work")], () => Task.CompletedTask);

        Assert.Equal(1, transport.Stopped);
        await memory.PublishAsync(new Outgoing("jobs", TestMessage.Of(task: "work")), Timeout.InfiniteTimeSpan, CancellationToken.None);
        Assert.Equal(1, await memory.CountAsync("jobs", CancellationToken.None));
    }

    [Fact]
    public async Task A_running_job_is_interrupted_and_given_back()
    {
        var memory = new InMemoryTransport(TimeProvider.System);
        var started = new TaskCompletionSource();
        var task = new TestTask("long", async (context, _) =>
        {
            started.SetResult();
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.CancellationToken);
        });
        await memory.PublishAsync(new Outgoing("jobs", TestMessage.Of(task: "long")), Timeout.InfiniteTimeSpan, CancellationToken.None);
        await FailAsync(memory, [task], () => started.Task.Soon());

        Assert.Equal((1, 1), (task.Runs, (int)await memory.CountAsync("jobs", CancellationToken.None)));
    }

    [Fact]
    public async Task A_transport_ends_the_subscriptions_that_nobody_has_ended()
    {
        var memory = new InMemoryTransport(TimeProvider.System);
        var subscription = await memory.SubscribeAsync(new() { Queues = ["q"], Prefetch = 1 }, CancellationToken.None);
        await memory.PublishAsync(new Outgoing("q", TestMessage.Of()), Timeout.InfiniteTimeSpan, CancellationToken.None);
        Assert.Equal(0, await memory.CountAsync("q", CancellationToken.None));

        await memory.DisposeAsync();

        Assert.Equal(1, await memory.CountAsync("q", CancellationToken.None));
        Assert.Null(await subscription.NextAsync().Soon());
        await subscription.DisposeAsync();
    }

    static async Task FailAsync(JobTransport transport, TestTask[] tasks, Func<Task> before)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Services.AddJobs(jobs =>
        {
            jobs.UseTransport(_ => transport).AddWorker(worker => worker.WaitForApplicationStart = false);
            foreach (var task in tasks)
            {
                jobs.AddTask(task);
            }
        });
        builder.Services.AddSingleton<IHostedService>(new Broken(before));
        var host = builder.Build();
        await Assert.ThrowsAsync<NotSupportedException>(() => host.StartAsync(TestContext.Current.CancellationToken).Soon());
        await ((IAsyncDisposable)host).DisposeAsync().AsTask().Soon();
    }

    sealed class Broken(Func<Task> before) : IHostedService
    {
        public async Task StartAsync(CancellationToken cancellationToken)
        {
            await before();
            throw new NotSupportedException();
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
