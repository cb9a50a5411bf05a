using Jobs.Contracts;
using Jobs.Tests.Working;
using Jobs.Transport;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Jobs.Tests.Hosting;

/// <summary>A service collection that no host has filled, in a container that <c>using</c> disposes.</summary>
public sealed class BareContainerTests
{
    [Fact]
    public async Task AddJobs_needs_nothing_else()
    {
        using var provider = Build(jobs => jobs.UseInMemory());
        await EnqueueAsync(provider);
        Assert.Equal(1, await provider.GetRequiredService<JobTransport>().CountAsync("jobs", TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Every_part_can_be_made_and_is_disposed_synchronously()
    {
        using var provider = Build(jobs =>
        {
            jobs.UseInMemory().AddTask(TestTask.Returning("work")).AddWorker().AddBeat();
            jobs.Services.AddHealthChecks().AddJobs();
        });
        Assert.NotEmpty(provider.GetServices<IHostedService>());
        await provider.GetRequiredService<JobSchedules>().RemoveAsync("any", TestContext.Current.CancellationToken);
        await provider.GetRequiredService<HealthCheckService>().CheckHealthAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_broker_that_is_away_does_not_hold_up_a_synchronous_disposal()
    {
        var provider = Build(jobs => jobs.UseRabbitMq("amqp://127.0.0.1:1"));
        var enqueued = provider.GetRequiredService<IJobDispatcher>().EnqueueAsync(new Job("work"), CancellationToken.None);
        await Task.Run(provider.Dispose, TestContext.Current.CancellationToken).Soon();
        Assert.False((await Assert.ThrowsAsync<JobPublishException>(() => enqueued).Soon()).MaybeEnqueued);
    }

    [Fact]
    public async Task Logging_that_is_added_later_is_used()
    {
        var logs = new CapturedLogs();
        var services = new ServiceCollection();
        services.AddJobs(jobs => jobs.UseInMemory().AddWorker());
        services.AddLogging(logging => logging.AddProvider(logs));
        using var provider = services.BuildServiceProvider();
        foreach (var service in provider.GetServices<IHostedService>())
        {
            await service.StartAsync(TestContext.Current.CancellationToken).Soon();
        }

        Assert.Single(logs.Lines, line => line.EventId == 100);
    }

    static ServiceProvider Build(Action<JobsBuilder> configure)
    {
        var services = new ServiceCollection();
        services.AddJobs(configure);
        return services.BuildServiceProvider(new ServiceProviderOptions { ValidateOnBuild = true, ValidateScopes = true });
    }

    static Task EnqueueAsync(IServiceProvider provider) =>
        provider.GetRequiredService<IJobDispatcher>().EnqueueAsync(new Job("work"), TestContext.Current.CancellationToken).Soon();
}
