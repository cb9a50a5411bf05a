using Jobs.Contracts;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace Jobs.Tests.Sqlite;

/// <summary>Chains whose workers are killed.</summary>
public sealed class ChainKillTests : IDisposable
{
    const int Chains = 300;
    const int JobsOfOne = 4;
    const int Prefetch = 16;

    readonly SqliteFile file = new();

    public void Dispose() => file.Dispose();

    // The next job is written in the transaction that removes the job before it: so only what the process had in hand runs again.
    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    public async Task Each_job_of_a_chain_runs_with_its_one_id_however_many_workers_are_killed(int kills)
    {
        var ids = await EnqueueAsync();
        List<string> runs = [];
        for (var i = 0; i < kills; i++)
        {
            await using var victim = Serve();
            await victim.Until(() => victim.All("run").Length >= 30 || Left() == 0, "some runs");
            await victim.KillAsync();
            runs.AddRange(victim.All("run"));
        }

        await using var last = Serve();
        await last.Until(() => Left() == 0, "an empty file, also without dead letters");
        await last.KillAsync();
        runs.AddRange(last.All("run"));

        Assert.Equal(Chains * JobsOfOne, runs.Distinct().Count());
        Assert.Subset(runs.ToHashSet(), ids);
        Assert.InRange(runs.Count - (Chains * JobsOfOne), 0, kills * Prefetch);
    }

    long Left() => file.Single("SELECT count(*) FROM jobs_message");

    WorkerProcess Serve()
    {
        var worker = new WorkerProcess(file.Path);
        worker.Do($"serve {Prefetch}");
        return worker;
    }

    async Task<HashSet<string>> EnqueueAsync()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddJobs(jobs => jobs.UseSqlite(file.Path));
        using var host = builder.Build();
        Job job = new("test.link") { Queue = "work" };
        var handles = await host.Services.GetRequiredService<IJobDispatcher>()
            .EnqueueManyAsync(Enumerable.Repeat(job.Then(job).Then(job).OnSuccess(job), Chains), TestContext.Current.CancellationToken);
        return [.. handles.Select(handle => handle.Id)];
    }
}
