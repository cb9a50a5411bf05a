using System.Diagnostics.CodeAnalysis;

namespace Jobs.Transport;

/// <summary>A connection to a broker.</summary>
/// <param name="IsUp">It works.</param>
/// <param name="For">For how long it has worked, or not worked.</param>
/// <param name="Problem">Why it does not work; <see langword="null"/> when it does, or when that is not known yet.</param>
[Experimental("JOBS0001")]
public readonly record struct ConnectionHealth(bool IsUp, TimeSpan For, string? Problem = null);

/// <summary>What a transport says of publishing.</summary>
[Experimental("JOBS0001")]
public sealed record TransportHealth
{
    /// <summary>Nothing can be wrong, or nothing is.</summary>
    public static TransportHealth Healthy { get; } = new() { Connection = new(true, TimeSpan.Zero) };

    /// <summary>The connection that publishes.</summary>
    public required ConnectionHealth Connection { get; init; }

    /// <summary>Why the broker takes no publishes now, in its own words; <see langword="null"/> while it takes them.</summary>
    public string? Blocked { get; init; }

    /// <summary>For how long it has taken none.</summary>
    public TimeSpan BlockedFor { get; init; }

    /// <summary>The slowest confirm of about the last 30 seconds, or the age of the oldest message that is not confirmed yet if that is more.</summary>
    public TimeSpan ConfirmLatency { get; init; }

    /// <summary>How many messages wait to be written or confirmed.</summary>
    public int Pending { get; init; }
}

/// <summary>What a subscription says of itself.</summary>
[Experimental("JOBS0001")]
public sealed record SubscriptionHealth
{
    /// <summary>Nothing can be wrong, or nothing is.</summary>
    public static SubscriptionHealth Healthy { get; } = new() { Connection = new(true, TimeSpan.Zero) };

    /// <summary>The connection that consumes.</summary>
    public required ConnectionHealth Connection { get; init; }

    /// <summary>How many deliveries are here and have not been taken by a worker's slot.</summary>
    public int Ready { get; init; }

    /// <summary>One entry per queue; empty where queues have no consumers that could be lost.</summary>
    public IReadOnlyList<QueueHealth> Queues { get; init; } = [];
}

/// <summary>What a subscription says of one of its queues.</summary>
/// <param name="Queue">The queue.</param>
/// <param name="IsConsuming">It has a consumer.</param>
/// <param name="For">For how long it has had one, or none.</param>
/// <param name="Problem">Why it has none; <see langword="null"/> when it has.</param>
[Experimental("JOBS0001")]
public readonly record struct QueueHealth(string Queue, bool IsConsuming, TimeSpan For, string? Problem = null)
{
    /// <summary>It holds what was set aside from another queue; ordinary jobs run without it.</summary>
    public bool IsQuarantine { get; init; }

    /// <summary>For how long messages have waited at the broker while this process held none and got none; zero when that is not so.</summary>
    public TimeSpan StarvedFor { get; init; }
}
