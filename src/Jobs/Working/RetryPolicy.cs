namespace Jobs.Working;

/// <summary>How long a retry waits: exponential with full jitter, so that jobs that failed together do not come back together.</summary>
static class RetryPolicy
{
    /// <param name="retry">0 for the first retry.</param>
    /// <param name="first">What the first retry waits at most.</param>
    /// <param name="max">What no retry waits longer than.</param>
    /// <param name="random">0 to 1.</param>
    public static TimeSpan Delay(int retry, TimeSpan first, TimeSpan max, double random)
    {
        // 2^62 seconds is for ever; an infinite power times a delay of zero would be no number.
        var ceiling = Math.Min(first.TotalSeconds * Math.Pow(2, Math.Min(retry, 62)), max.TotalSeconds);
        var ticks = ceiling * random * TimeSpan.TicksPerSecond;
        return ticks < long.MaxValue ? new((long)ticks) : TimeSpan.MaxValue;
    }
}
