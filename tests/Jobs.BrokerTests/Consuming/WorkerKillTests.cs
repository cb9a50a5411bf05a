using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;

namespace Jobs.BrokerTests.Consuming;

/// <summary>Worker processes that die as by the kernel's hand: out of memory, a crash in native code, an orchestrator that has lost its patience.</summary>
public sealed class WorkerKillTests(BrokerFixture brokers) : IAsyncDisposable
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    readonly Bench bench = new(brokers.Broker);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    /// <summary>The broker counts a delivery for each of the 200 messages that lay in the dead process, and cannot know which of them it was. (Wolverine #4162)</summary>
    [Fact]
    public async Task A_process_killed_by_SIGKILL_with_a_prefetch_of_200_again_and_again_loses_no_job_and_makes_no_innocent_a_dead_letter()
    {
        const int Innocents = 300, MaxDeliveries = 5, KilledBySigkill = 137;
        var ids = Enumerable.Range(0, Innocents).Select(i => $"innocent-{i:000}").ToArray();
        await Bench.Jobs(bench.Host()).EnqueueManyAsync(
            ids.Select(id => ProbeTask.Job() with { Id = id }).Prepend(ProbeTask.Job("hang") with { Id = "poison" }), TestContext.Current.CancellationToken);
        var ended = new HashSet<string>();
        var kills = 0;

        // Each process is killed when the poison runs in it; until then, and once the poison is set apart, others run and end. A process that dies between the confirm of
        // the copy that sets it apart and the ack of the original leaves two of them, which are counted and dead-lettered one by one.
        for (var poisoned = true; poisoned;)
        {
            Assert.True(kills < 3 * MaxDeliveries, $"{kills} processes were killed and the poison is not dead, or still has a copy");
            await using var worker = WorkerProcess.Start(bench, concurrency: 1, prefetch: 200, MaxDeliveries);
            await Eventually.BecomesAsync(
                async () => worker.Begun.Contains("poison") || (ended.Union(worker.Ended).Intersect(ids).Count() == Innocents && await bench.CountAsync(bench.DeadQueue) >= 1),
                Soon,
                "the poison to run, or to be dead and every innocent to have run to its end");
            if (kills == 0)
            {
                await bench.HoldsAsync(bench.Queue, Innocents + 1 - 200);
            }

            Assert.Equal(KilledBySigkill, await worker.KillAsync());
            ended.UnionWith(worker.Ended);
            poisoned = worker.Begun.Contains("poison");
            kills += poisoned ? 1 : 0;
        }

        var letters = await bench.DrainAsync(bench.DeadQueue);
        Assert.Equal(["poison"], letters.Select(letter => letter.BasicProperties.CorrelationId).Distinct());
        Assert.Contains("MaxDeliveries", Bench.Header(letters[0], "x-jobs-dead-reason"), StringComparison.Ordinal);
        Assert.InRange(kills, MaxDeliveries, (MaxDeliveries + 3) * letters.Count);
    }

    /// <summary>A worker that dies after the next job of a chain was confirmed, and before its own job was acknowledged, leaves two of both.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    public async Task Each_job_of_a_chain_runs_with_its_one_id_however_many_workers_are_killed_by_SIGKILL(int kills)
    {
        const int Chains = 300, JobsOfOne = 4, Prefetch = 20;
        var job = ProbeTask.Job() with { Queue = bench.Queue };
        var handles = await Bench.Jobs(bench.Host()).EnqueueManyAsync(Enumerable.Repeat(job.Then(job).Then(job).OnSuccess(job), Chains), TestContext.Current.CancellationToken);
        List<string> runs = [];
        for (var i = 0; i < kills; i++)
        {
            await using var victim = WorkerProcess.Start(bench, concurrency: 4, Prefetch, maxDeliveries: 100);
            await Eventually.BecomesAsync(() => victim.Ended.Count >= 30 || runs.Union(victim.Ended).Count() == Chains * JobsOfOne, Soon, "some jobs to run");
            await victim.KillAsync();
            runs.AddRange(victim.Begun);
        }

        await using var last = WorkerProcess.Start(bench, concurrency: 4, Prefetch, maxDeliveries: 100);
        await Eventually.BecomesAsync(
            async () => runs.Union(last.Ended).Count() == Chains * JobsOfOne && last.Begun.Count == last.Ended.Count && await bench.CountAsync(bench.Queue) == 0,
            Soon,
            "every job to run");
        runs.AddRange(last.Begun);

        Assert.Equal(Chains * JobsOfOne, runs.Distinct().Count());
        Assert.Subset(runs.ToHashSet(), handles.Select(handle => handle.Id).ToHashSet());
        Assert.InRange(runs.Count - (Chains * JobsOfOne), 0, kills * Prefetch * JobsOfOne);
        Assert.Equal(0, await bench.CountAsync(bench.DeadQueue));
    }
}
