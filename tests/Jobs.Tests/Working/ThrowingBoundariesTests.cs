using Jobs.Contracts;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace Jobs.Tests.Working;

/// <summary>
/// User code that throws at a boundary of Jobs changes nothing: the same jobs run and are settled as without it, all slots
/// live on, and the host stops. (aspnet/Logging #304, dotnet/runtime #73303, dotnet/extensions #2935)
/// </summary>
[Collection(nameof(ThrowingBoundariesTests))]
public sealed class ThrowingBoundariesTests
{
    public static TheoryData<string> Boundaries => ThrowingCode.Boundaries;

    [Theory, MemberData(nameof(Boundaries))]
    public async Task A_boundary_that_throws_changes_nothing_about_any_job(string boundary)
    {
        const int Slots = 2;
        using var throwing = new ThrowingCode(boundary);
        var builder = Host.CreateEmptyApplicationBuilder(new());
        throwing.AddTo(builder.Services, builder.Logging);
        var (good, bad, flaky) = (
            new TestTask("good", (context, _) =>
            {
                ThrowingCode.TakeService(context);
                return Task.CompletedTask;
            }),
            TestTask.Throwing("bad", () => new InvalidOperationException("as it must")),
            new TestTask("flaky", (context, _) => context.Attempt == 1 ? throw new RetryJobException(TimeSpan.Zero) : Task.CompletedTask));
        FaultyTransport transport = null!;
        builder.Services.AddJobs(jobs => jobs
            .UseTransport(_ => transport = new FaultyTransport(new Jobs.Transport.InMemoryTransport(TimeProvider.System)))
            .AddTask(good).AddTask(bad).AddTask(flaky)
            .Configure(o => o.MaxRetries = 1)
            .Configure(o => o.RetryDelay = TimeSpan.Zero)
            .AddWorker(worker => (worker.Concurrency, worker.DrainTimeout) = (Slots, TimeSpan.FromSeconds(5))));
        using var host = builder.Build();
        await host.StartAsync(TestContext.Current.CancellationToken).Soon();
        var dispatcher = host.Services.GetRequiredService<IJobDispatcher>();
        for (var round = 0; round < 3 * Slots; round++)
        {
            foreach (var task in new[] { "good", "bad", "flaky", "unknown" })
            {
                await dispatcher.EnqueueAsync(new Job(task) { Id = $"{task}{round}" }, TestContext.Current.CancellationToken).Soon();
            }

            await dispatcher.EnqueueManyAsync([new Job("good") { Id = $"many{round}" }], TestContext.Current.CancellationToken).Soon();
        }

        await Wait.Until(() => transport.Settled.Count(s => s.Verb == FaultStep.Ack) >= 3 * Slots * 7);
        await host.StopAsync(TestContext.Current.CancellationToken).Soon();

        Assert.Equal((3 * Slots * 2, 3 * Slots * 2, 3 * Slots * 2), (good.Runs, bad.Runs, flaky.Runs));
        Assert.All(transport.Settled, s => Assert.Equal(FaultStep.Ack, s.Verb));
        Assert.Equal(3 * Slots * 2, await transport.Inner.CountAsync("jobs.dead", CancellationToken.None)); // bad and unknown
        Assert.Equal(0, await transport.Inner.CountAsync("jobs", CancellationToken.None));
    }
}

/// <summary>Alone: its listeners hear every host of the process.</summary>
[CollectionDefinition(nameof(ThrowingBoundariesTests), DisableParallelization = true)]
public sealed class ThrowingBoundaries;
