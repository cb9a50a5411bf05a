using Jobs.Wire;

namespace Jobs.Working;

/// <summary>How an execution ended: a closed set, settled by one switch in <see cref="Settlement"/>.</summary>
abstract record Outcome
{
    Outcome()
    {
    }

    /// <summary>The task returned.</summary>
    public sealed record Succeeded : Outcome
    {
        public static readonly Succeeded Instance = new();
    }

    /// <summary>Run it again later: it failed, or came before its eta.</summary>
    public sealed record Retry(JobMessage Next, TimeSpan Delay) : Outcome;

    /// <summary>It can never run.</summary>
    public sealed record Dead(DeadLetter Letter) : Outcome;

    /// <summary>Nobody wants it any more: it expired.</summary>
    public sealed record Revoked : Outcome
    {
        public static readonly Revoked Instance = new();
    }

    /// <summary>The worker stopped under it; that is no failure and costs no attempt.</summary>
    public sealed record Interrupted : Outcome
    {
        public static readonly Interrupted Instance = new();
    }
}
