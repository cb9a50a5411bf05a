using Jobs.Diagnostics;
using Jobs.Transport;
using Jobs.Working;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;

namespace Jobs.Health;

/// <summary>
/// Can this process do its work now? Every process publishes: a worker its retries and dead letters, a beat the jobs of
/// its occurrences. A worker consumes too.
/// </summary>
sealed class ReadinessCheck(IServiceProvider services, JobTransport transport, IOptions<JobsHealthOptions> healthOptions, TimeProvider time) : IHealthCheck
{
    readonly TimeProvider time = GuardedTime.Of(time);
    readonly JobsHealthOptions options = healthOptions.Value;

    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        using var patience = new CancellationTokenSource(options.ConnectWait, time);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        var data = new Dictionary<string, object> { ["transport"] = transport.MessagingSystem };
        var publishing = Publishing(await transport.CheckHealthAsync(limit.Token).ConfigureAwait(false), data);
        var consuming = services.GetService<WorkerProgress>() is { } worker ? Consuming(worker, data) : null;

        var (status, reason) = consuming is { } found && found.Status < publishing.Status ? found
            : consuming is { } other && other.Status == publishing.Status && publishing.Status != HealthStatus.Healthy
                ? (other.Status, $"{publishing.Reason} {other.Reason}")
            : publishing;
        return new(status, status == HealthStatus.Healthy && consuming is { } both ? $"{reason} {both.Reason}" : reason, data: data);
    }

    (HealthStatus Status, string Reason) Publishing(TransportHealth health, Dictionary<string, object> data)
    {
        data["publish.connected"] = health.Connection.IsUp;
        data["publish.pending"] = health.Pending;
        data["publish.confirm.seconds"] = health.ConfirmLatency.TotalSeconds;
        foreach (var (name, fact) in health.Facts)
        {
            data[name] = fact;
        }

        if (!health.Connection.IsUp)
        {
            return (HealthStatus.Unhealthy, $"Jobs cannot be enqueued: no connection for {LivenessCheck.Text(health.Connection.For)}: "
                + $"{Sentence(health.Connection.Problem ?? "the first attempt has not ended")} It is tried again and again.");
        }

        if (health.Blocked is { } blocked)
        {
            data["publish.blocked"] = blocked;
            return (health.BlockedFor >= options.BlockedFor ? HealthStatus.Unhealthy : HealthStatus.Degraded,
                $"The broker has blocked publishing for {LivenessCheck.Text(health.BlockedFor)}: {Sentence(blocked)} Enqueued jobs wait, and fail at "
                    + "their deadline; free the broker's memory or disk.");
        }

        var concerns = new List<string>();
        if (health.ConfirmLatency >= options.SlowConfirm)
        {
            concerns.Add($"The broker took {LivenessCheck.Text(health.ConfirmLatency)} to confirm a job (SlowConfirm is "
                + $"{LivenessCheck.Text(options.SlowConfirm)}); {health.Pending} jobs wait. Look at its disks, and at queues without a leader.");
        }

        if (health.Warning is { } warning)
        {
            concerns.Add(Sentence(warning));
        }

        return concerns is [] ? (HealthStatus.Healthy, "Jobs can be enqueued.") : (HealthStatus.Degraded, string.Join(' ', concerns));
    }

    static (HealthStatus Status, string Reason)? Consuming(WorkerProgress worker, Dictionary<string, object> data)
    {
        if (worker.Subscription is not { } subscription)
        {
            return (HealthStatus.Unhealthy, "The worker has not started yet.");
        }

        if (worker.IsStopping)
        {
            return (HealthStatus.Unhealthy, "The worker is stopping and takes no more jobs.");
        }

        var health = subscription.CheckHealth();
        data["consume.connected"] = health.Connection.IsUp;
        if (!health.Connection.IsUp)
        {
            return (HealthStatus.Unhealthy, $"The worker gets no jobs: no connection for {LivenessCheck.Text(health.Connection.For)}: "
                + $"{Sentence(health.Connection.Problem ?? "the first attempt has not ended")} It is tried again and again.");
        }

        var missing = health.Queues.Where(q => !q.IsConsuming).ToArray();
        data["consume.queues"] = health.Queues.Count;
        data["consume.queues.missing"] = missing.Length;
        if (missing is [])
        {
            return (HealthStatus.Healthy, "The worker takes jobs.");
        }

        var list = string.Join("; ", missing.Select(q => $"'{q.Queue}' for {LivenessCheck.Text(q.For)}: {q.Problem ?? "not yet subscribed"}"));
        var none = health.Queues.All(q => q.IsQuarantine || !q.IsConsuming); // a quarantine has no ordinary jobs
        return (none ? HealthStatus.Unhealthy : HealthStatus.Degraded, $"The worker has no consumer for {Sentence(list)} It subscribes again and again.");
    }

    static string Sentence(string text) => text.TrimEnd('.') + ".";
}
