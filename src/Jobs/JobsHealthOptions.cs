using Jobs.Settings;

namespace Jobs;

/// <summary>
/// When the health checks of <c>AddHealthChecks().AddJobs()</c> report a problem. Bound to the configuration section
/// <c>Jobs:Health</c>; values set in code, in <c>AddJobs</c>, win.
/// </summary>
public sealed class JobsHealthOptions : IBoundOptions
{
    /// <summary>
    /// Liveness. How long a fault lasts before the check reports it. A worker is unhealthy when it has deliveries in
    /// hand and free slots, but starts no job: a restart may help. A worker is degraded when a restart would not help:
    /// messages wait in one of its queues, but the broker delivers none to the worker; or a queue has no consumer in
    /// the worker, although the connection works. Choose a time above the broker's own recovery times. Defaults to 5
    /// minutes.
    /// </summary>
    public TimeSpan StalledAfter { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// Readiness. The process is degraded when the broker takes this long to confirm a message. Defaults to 5 seconds.
    /// </summary>
    public TimeSpan SlowConfirm { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Readiness. While the broker blocks publishing, the process is degraded; after this long it is unhealthy.
    /// Defaults to 30 seconds, as <see cref="JobsOptions.EnqueueTimeout"/> does: after that, enqueues fail.
    /// </summary>
    public TimeSpan BlockedFor { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Readiness. How long a check waits for the first attempt to connect. Once that attempt has ended, checks answer
    /// at once. Defaults to 2 seconds.
    /// </summary>
    public TimeSpan ConnectWait { get; set; } = TimeSpan.FromSeconds(2);

    IReadOnlyList<string> IBoundOptions.Unbound { get; set; } = [];

    IEnumerable<string> IBoundOptions.Problems()
    {
        if (StalledAfter <= TimeSpan.Zero || SlowConfirm <= TimeSpan.Zero)
        {
            yield return $"Jobs:Health:StalledAfter {StalledAfter} and SlowConfirm {SlowConfirm}: must be positive.";
        }

        if (BlockedFor < TimeSpan.Zero || ConnectWait < TimeSpan.Zero)
        {
            yield return $"Jobs:Health:BlockedFor {BlockedFor} and ConnectWait {ConnectWait}: must not be negative.";
        }
    }
}
