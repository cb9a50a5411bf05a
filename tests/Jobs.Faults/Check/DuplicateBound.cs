using Jobs.Brokers;

namespace Jobs.Faults.Check;

/// <summary>How many jobs may run twice because of one fault: what was unacknowledged, and what was unconfirmed, at that time.</summary>
/// <param name="Consumers">Worker processes times queues.</param>
/// <param name="Prefetch">Of one consumer.</param>
/// <param name="DelayLevels">Queues that the broker moves delayed jobs through.</param>
sealed record DuplicateBound(int Consumers, int Prefetch, int DelayLevels)
{
    public static readonly string Definition =
        "unacknowledged + unconfirmed. Unacknowledged: every consumer that was started anew in the time of the fault (log lines 440 and 446) stands for one that was lost with at most its prefetch, " +
        "one more for its quarantine; at least all consumers once, because a queue may take back what a node in doubt has in hand without a word to its consumer. Unconfirmed: what the log lines 422 count. " +
        $"Plus {DeadLettering.Prefetch} for each delay queue in use, which the broker moves at least once.";

    public long Of(FaultEffect effect) => Math.Max(effect.Resubscribed, Consumers) * (Prefetch + 1) + effect.Republished + DelayLevels * DeadLettering.Prefetch;
}
