using Jobs.Settings;

namespace Jobs;

/// <summary>When the health checks of <c>AddHealthChecks().AddJobs()</c> speak up. Bound to the configuration section <c>Jobs:Health</c>; code set in <c>AddJobs</c> wins.</summary>
public sealed class JobsHealthOptions : IBoundOptions
{
    /// <summary>
    /// Liveness: for how long a worker may have deliveries in hand and free slots without starting any before it is unhealthy; and for how long messages may wait and not come, or a queue be
    /// without consumer on a connection that works, before it is degraded – a restart would not help. Keep it above the broker's own recovery times. Defaults to 5 minutes.
    /// </summary>
    public TimeSpan StalledAfter { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>Readiness: a confirm that takes longer than this is degraded. Defaults to 5 seconds.</summary>
    public TimeSpan SlowConfirm { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Readiness: while the broker blocks publishing the process is degraded, and after this long unhealthy. Defaults to 30 seconds, when an enqueue fails with the default
    /// <see cref="JobsOptions.EnqueueTimeout"/>.
    /// </summary>
    public TimeSpan BlockedFor { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Readiness: how long the first check waits for the first connection; later ones say at once how things are. Defaults to 2 seconds.</summary>
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
