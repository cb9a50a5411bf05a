namespace Jobs.Working;

/// <summary>
/// How long a retry waits: exponential back-off with full jitter, so that jobs that failed together do not come back
/// together.
/// </summary>
static class RetryPolicy
{
    /// <param name="retry">0 for the first retry.</param>
    /// <param name="first">The longest wait before the first retry.</param>
    /// <param name="max">The longest wait before any retry.</param>
    /// <param name="random">0 to 1.</param>
    public static TimeSpan Delay(int retry, TimeSpan first, TimeSpan max, double random)
    {
        // 2^62 is enough for ever. Without this limit the power could be infinite, and infinity times a delay of zero
        // is NaN.
        var ceiling = Math.Min(first.TotalSeconds * Math.Pow(2, Math.Min(retry, 62)), max.TotalSeconds);
        var ticks = ceiling * random * TimeSpan.TicksPerSecond;
        return ticks < long.MaxValue ? new((long)ticks) : TimeSpan.MaxValue;
    }
}
