using System.Globalization;
using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Microsoft.Extensions.Hosting;

namespace Jobs.BrokerTests.Beat;

/// <summary>Hosts with a beat on a real broker, judged by the jobs that arrive. In the collection that runs alone, because one of them restarts the broker.</summary>
[Collection(nameof(BrokerWideCollection))]
public sealed class BeatOnBrokerTests(BrokerFixture brokers) : IAsyncDisposable
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);

    readonly Bench bench = new(brokers.Broker);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Celery's beat went silent when its broker had been restarted. (Celery #3409)</summary>
    [Fact]
    public async Task A_beat_survives_a_restart_of_the_broker_and_every_occurrence_of_the_outage_arrives()
    {
        var task = new ProbeTask();
        await bench.StartedAsync(bench.Host(task: task));
        await bench.StartedAsync(Beat());
        await Eventually.BecomesAsync(() => task.Runs.Count >= 2, Soon, "the first ticks");

        await brokers.Broker.ControlAsync("stop_app");
        await brokers.Broker.ControlAsync("start_app");
        var back = DateTimeOffset.UtcNow;

        await Eventually.BecomesAsync(() => task.Runs.Keys.Max(Occurrence) > back + TimeSpan.FromSeconds(3), Soon, "ticks after the restart");
        await NoOccurrenceIsMissingAsync(task);
        Assert.Contains(bench.Warnings, w => w.StartsWith("401", StringComparison.Ordinal)); // it was away, and that was said
    }

    /// <summary>Two nodes wake at the same instant, and each believes that the occurrence is its own. (TickerQ #900, #776)</summary>
    [Fact]
    public async Task Two_beats_that_wake_at_the_same_instant_make_every_occurrence_the_same_job()
    {
        var task = new ProbeTask();
        await bench.StartedAsync(bench.Host(task: task));
        await Task.WhenAll(bench.StartedAsync(Beat("* * * * * *")), bench.StartedAsync(Beat("* * * * * *")));
        await Eventually.BecomesAsync(() => task.Runs.Count >= 8, Soon, "eight occurrences");

        // One of them leads: every occurrence runs, and none twice.
        await NoOccurrenceIsMissingAsync(task);
        Assert.All(task.Runs, run => Assert.Equal(1, run.Value));
    }

    /// <summary>A backlog of jobs that people asked for must not hold up those that the clock asks for. (TickerQ #901)</summary>
    [Fact]
    public async Task A_backlog_of_jobs_on_demand_does_not_starve_scheduled_jobs_in_a_queue_of_their_own()
    {
        const int Backlog = 500, Concurrency = 2, Prefetch = 4;
        var onDemand = new SemaphoreSlim(0);
        var ticks = 0;
        var task = new ProbeTask(async (_, text) =>
        {
            if (text == "tick")
            {
                Interlocked.Increment(ref ticks);
            }
            else
            {
                await onDemand.WaitAsync(Cancellation);
            }
        });
        var clockQueue = $"{bench.Prefix}.clock";
        await Bench.Jobs(bench.Host()).EnqueueManyAsync(Enumerable.Range(0, Backlog).Select(_ => ProbeTask.Job("on demand")), Cancellation);
        await bench.StartedAsync(bench.Host(task: task, worker: o => (o.Queues, o.Concurrency, o.Prefetch) = ([bench.Queue, clockQueue], Concurrency, Prefetch)));
        await Eventually.BecomesAsync(() => task.Running == Concurrency, Soon, "the backlog to take every occurrence");
        await bench.StartedAsync(Beat(queue: clockQueue));
        await bench.HoldsAsync(bench.Queue, Backlog - Prefetch);
        await Eventually.BecomesAsync(async () => await bench.CountAsync(clockQueue) > 0, Soon, "more ticks than the worker may hold");

        // What had been handed to this worker before the ticks may go first, and nothing else: what runs, and the rest of the prefetch.
        var released = 0;
        while (Volatile.Read(ref ticks) == 0)
        {
            Assert.True(released <= Concurrency + Prefetch, $"{released} jobs on demand went before the first tick");
            var ended = task.Total;
            onDemand.Release();
            released++;
            await Eventually.BecomesAsync(() => task.Total > ended, Soon, "one job to end");
        }

        onDemand.Release(Backlog);
        await Eventually.BecomesAsync(() => task.Runs.Count(run => !run.Key.StartsWith("tick@", StringComparison.Ordinal)) == Backlog, Soon, "the backlog to run too");
    }

    IHost Beat(string? cron = null, string? queue = null) => bench.Host(more: jobs =>
    {
        var job = ProbeTask.Job("tick") with { Queue = queue };
        _ = cron is null ? jobs.AddSchedule("tick", TimeSpan.FromSeconds(1), job, MisfirePolicy.All) : jobs.AddSchedule("tick", cron, job, misfire: MisfirePolicy.All);
        jobs.AddBeat();
    });

    // Occurrences that are late together run side by side: one may end before the one before it.
    static Task NoOccurrenceIsMissingAsync(ProbeTask task) => Eventually.BecomesAsync(
        () =>
        {
            var occurrences = task.Runs.Keys.Select(Occurrence).Order().ToList();
            return Enumerable.Range(0, occurrences.Count).Select(i => occurrences[0] + TimeSpan.FromSeconds(i)).SequenceEqual(occurrences);
        },
        Soon,
        "no occurrence to be missing");

    /// <summary>A job's id is its schedule and its occurrence.</summary>
    static DateTimeOffset Occurrence(string id) =>
        DateTimeOffset.ParseExact(id, "'tick@'yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
}
