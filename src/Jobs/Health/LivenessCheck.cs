using System.Globalization;
using Jobs.Diagnostics;
using Jobs.Transport;
using Jobs.Working;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;

namespace Jobs.Health;

/// <summary>
/// Would a restart help? Only then is the worker unhealthy. Nobody should restart all workers because the broker is
/// away, or because it refuses a queue or gives the queue to other consumers.
/// </summary>
/// <remarks>
/// A worker whose slots are all busy makes progress, however long its jobs run. So the check looks at
/// <see cref="WorkerProgress.Taken"/> only while a slot is free.
/// </remarks>
sealed class LivenessCheck(IServiceProvider services, IOptions<JobsHealthOptions> healthOptions, TimeProvider time) : IHealthCheck
{
    readonly TimeProvider time = GuardedTime.Of(time);
    readonly Lock gate = new();
    long takenThen;
    long? stuckSince;

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) => Task.FromResult(Check());

    HealthCheckResult Check()
    {
        if (services.GetService<WorkerProgress>() is not { } worker)
        {
            return HealthCheckResult.Healthy("No worker in this process: nothing can be stuck.");
        }

        if (worker.Subscription is not { } subscription)
        {
            return HealthCheckResult.Healthy("The worker has not started yet.");
        }

        if (worker.IsStopping)
        {
            return HealthCheckResult.Healthy("The worker is stopping; running jobs get their time to finish.");
        }

        var health = subscription.CheckHealth();
        var (slots, ready) = (worker.Slots.Count, health.Ready + worker.Lanes.Waiting);
        var data = new Dictionary<string, object>
        {
            ["slots"] = worker.Slots.Count,
            ["slots.busy"] = worker.Busy,
            ["jobs.taken"] = worker.Taken,
            ["jobs.ready"] = ready,
            ["connected"] = health.Connection.IsUp,
        };
        if (worker.HasReaderEnded)
        {
            return HealthCheckResult.Unhealthy(
                "The worker takes no more jobs: the transport failed to deliver one. Restart the process; the log says why.", data: data);
        }

        var limit = healthOptions.Value.StalledAfter;
        if (StuckFor(worker, ready) is { } stuck && stuck >= limit)
        {
            return HealthCheckResult.Unhealthy($"{ready} jobs are in hand and {slots - worker.Busy} slots are free, but none has started for "
                + $"{Text(stuck)}. Restart the process; its jobs go back to their queues.", data: data);
        }

        // Degraded, not unhealthy: the worker has subscribed again and again, as a new process would, and a restart
        // would interrupt the jobs of the other queues. The queue may be deleted, or have other arguments; a queue with
        // a single active consumer gives a standby nothing. A connection that is down has no consumers, and that is no
        // fault of this process.
        var concerns = new List<string>();
        foreach (var queue in health.Connection.IsUp ? health.Queues : [])
        {
            data[$"queue.{queue.Queue}"] = queue.IsConsuming ? "consuming" : queue.Problem ?? "no consumer";
            if (!queue.IsConsuming && queue.For >= limit && health.Connection.For >= limit)
            {
                concerns.Add($"Queue '{queue.Queue}' has had no consumer here for {Text(queue.For)}, although the connection works: "
                    + $"{(queue.Problem ?? "no reason known").TrimEnd('.')}. The worker subscribes again and again; look at the queue.");
            }
            else if (queue.StarvedFor >= limit)
            {
                concerns.Add($"Messages wait in queue '{queue.Queue}', but for {Text(queue.StarvedFor)} none has come to this consumer, which holds "
                    + "no message and has subscribed again. Look at the queue and its other consumers: one of them may be the single active consumer.");
            }
        }

        return concerns is not [] ? HealthCheckResult.Degraded(string.Join(' ', concerns), data: data)
            : health.Connection.IsUp ? HealthCheckResult.Healthy($"{worker.Busy} of {slots} slots are busy; {worker.Taken} jobs taken.", data)
            : HealthCheckResult.Healthy($"The broker is away ({health.Connection.Problem ?? "not connected yet"}); a restart would not help, because "
                + "the worker connects again by itself.", data);
    }

    /// <summary>
    /// For how long no slot has taken a job, although jobs wait and slots are free. The time counts from the first
    /// check that saw this: a delivery that has only just arrived is not stuck.
    /// </summary>
    TimeSpan? StuckFor(WorkerProgress worker, int ready)
    {
        var taken = worker.Taken;
        lock (gate)
        {
            if (ready == 0 || worker.Busy >= worker.Slots.Count || (stuckSince is not null && taken != takenThen))
            {
                stuckSince = null;
                return null;
            }

            takenThen = taken;
            stuckSince ??= time.GetTimestamp();
            return time.GetElapsedTime(stuckSince.Value);
        }
    }

    internal static string Text(TimeSpan span) => span < TimeSpan.FromSeconds(100)
        ? string.Create(CultureInfo.InvariantCulture, $"{span.TotalSeconds:0.#} s")
        : string.Create(CultureInfo.InvariantCulture, $"{span.TotalMinutes:0} min");
}
