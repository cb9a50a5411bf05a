namespace Jobs.Faults.Load;

/// <summary>The queues of a run.</summary>
static class LoadQueues
{
    /// <summary>Jobs of no length: plain ones, delayed ones and those that fail once.</summary>
    public const string Quick = "faults.quick";

    /// <summary>Jobs of one to three seconds, so that there is always something running that can be killed.</summary>
    public const string Slow = "faults.slow";

    /// <summary>Its jobs may be lost: it is there to be purged and deleted.</summary>
    public const string Victim = "faults.victim";

    public const string DeadLetters = "jobs.dead";

    /// <summary>The stream of events.</summary>
    public const string History = "jobs.history";

    public const int DelayLevels = 28;

    const string delayLevel = "jobs.delay.";

    /// <summary>Those that lose nothing.</summary>
    public static readonly IReadOnlyList<string> Safe = [Quick, Slow];

    /// <summary>What workers consume.</summary>
    public static readonly IReadOnlyList<string> All = [.. Safe, Victim];

    /// <summary>Everything that has to be empty in the end, in the order in which jobs move: what was counted empty cannot be filled from what comes after it.</summary>
    public static readonly IReadOnlyList<string> ToDrain =
    [
        .. Enumerable.Range(0, DelayLevels).Reverse().Select(level => $"{delayLevel}{level:00}"),
        .. All.Select(queue => $"jobs.quarantine.{queue}"),
        .. All,
    ];

    public static bool IsDelayLevel(string queue) => queue.StartsWith(delayLevel, StringComparison.Ordinal);

    /// <summary>The last one is "none of them".</summary>
    public static int IndexOf(string? queue) => All.TakeWhile(name => name != queue).Count();
}
