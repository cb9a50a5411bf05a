using CsCheck;
using Jobs.Contracts.RandomCalls;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace Jobs.Tests.Wire;

/// <summary>Whatever the types and values of its arguments: a job that is enqueued arrives equal, or is refused.</summary>
public sealed class PropertyTests
{
    const int Tasks = 300;
    const int Calls = 100_000;
    const int Batch = 250;

    [Fact]
    public async Task Arguments_of_three_hundred_random_signatures_arrive_equal_or_are_refused()
    {
        var tasks = RandomTasks.Compile(seed: 20261126, Tasks);
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Services.AddJobs(jobs => tasks.AddTo(jobs.UseInMemory().AddWorker()));
        using var host = builder.Build();
        await host.StartAsync(TestContext.Current.CancellationToken);
        var dispatcher = host.Services.GetRequiredService<IJobDispatcher>();

        var arrived = 0;
        foreach (var _ in Enumerable.Range(0, Calls / Batch))
        {
            arrived += await tasks.ArriveEqualAsync(dispatcher, tasks.Calls.Array[Batch].Single());
        }

        await host.StopAsync(TestContext.Current.CancellationToken);
        TestContext.Current.TestOutputHelper?.WriteLine($"{arrived} of {Calls} arrived equal, the others were refused.");
        Assert.InRange(arrived, Calls / 2, Calls - 1);
    }
}
