using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;

namespace Jobs.Transport;

/// <summary>A connection to a broker.</summary>
/// <param name="IsUp">Whether the connection works.</param>
/// <param name="For">For how long the connection has worked, or not worked.</param>
/// <param name="Problem">
/// Why the connection does not work; <see langword="null"/> when it works, or when the reason is not known yet.
/// </param>
[Experimental("JOBS0001")]
public readonly record struct ConnectionHealth(bool IsUp, TimeSpan For, string? Problem = null);

/// <summary>How well a transport can publish.</summary>
[Experimental("JOBS0001")]
public sealed record TransportHealth
{
    /// <summary>No problem. A transport that has no connection to lose always reports this.</summary>
    public static TransportHealth Healthy { get; } = new() { Connection = new(true, TimeSpan.Zero) };

    /// <summary>The connection that publishes.</summary>
    public required ConnectionHealth Connection { get; init; }

    /// <summary>
    /// Why the broker blocks publishing now, in the broker's own words; <see langword="null"/> while the broker does
    /// not block.
    /// </summary>
    public string? Blocked { get; init; }

    /// <summary>For how long the broker has blocked publishing.</summary>
    public TimeSpan BlockedFor { get; init; }

    /// <summary>
    /// The slowest confirm of about the last 30 seconds, or the age of the oldest message that waits for its confirm,
    /// whichever is more.
    /// </summary>
    public TimeSpan ConfirmLatency { get; init; }

    /// <summary>How many messages wait to be written or confirmed.</summary>
    public int Pending { get; init; }

    /// <summary>
    /// What will soon prevent a publish, in whole sentences, although publishing works now; <see langword="null"/> for
    /// nothing. The readiness check is degraded then.
    /// </summary>
    public string? Warning { get; init; }

    /// <summary>
    /// Figures of this transport, by name. They go into the data of the readiness check. Defaults to none.
    /// </summary>
    public IReadOnlyDictionary<string, object> Facts { get; init; } = ImmutableDictionary<string, object>.Empty;
}

/// <summary>How well a subscription receives messages.</summary>
[Experimental("JOBS0001")]
public sealed record SubscriptionHealth
{
    /// <summary>No problem. A transport that has no connection to lose always reports this.</summary>
    public static SubscriptionHealth Healthy { get; } = new() { Connection = new(true, TimeSpan.Zero) };

    /// <summary>The connection that consumes.</summary>
    public required ConnectionHealth Connection { get; init; }

    /// <summary>How many deliveries have arrived that the worker has not taken.</summary>
    public int Ready { get; init; }

    /// <summary>One entry per queue; empty for a transport that cannot lose its consumers.</summary>
    public IReadOnlyList<QueueHealth> Queues { get; init; } = [];
}

/// <summary>How well a subscription receives messages from one of its queues.</summary>
/// <param name="Queue">The name of the queue.</param>
/// <param name="IsConsuming">Whether the subscription has a consumer at the queue.</param>
/// <param name="For">For how long the subscription has had a consumer, or none.</param>
/// <param name="Problem">Why there is no consumer; <see langword="null"/> when there is one.</param>
[Experimental("JOBS0001")]
public readonly record struct QueueHealth(string Queue, bool IsConsuming, TimeSpan For, string? Problem = null)
{
    /// <summary>
    /// Whether the queue is the quarantine of another queue. When a quarantine has no consumer, ordinary jobs still
    /// run.
    /// </summary>
    public bool IsQuarantine { get; init; }

    /// <summary>
    /// For how long messages have waited at the broker while this process held none and got none; zero when that is not
    /// so.
    /// </summary>
    public TimeSpan StarvedFor { get; init; }
}
