using Jobs.Registry;

namespace Jobs.Working;

/// <summary>
/// How long a retry waits: exponential back-off with full jitter, so that jobs that failed together do not come back
/// together.
/// </summary>
/// <param name="MaxRetries">How often a failed job runs again.</param>
/// <param name="First">The longest wait before the first retry.</param>
/// <param name="Max">The longest wait of all.</param>
readonly record struct RetryPolicy(int MaxRetries, TimeSpan First, TimeSpan Max)
{
    /// <summary>The task's values; where the task gives none, those of the host.</summary>
    public static RetryPolicy Of(TaskDefinition task, JobsOptions host) =>
        new(task.MaxRetries ?? host.MaxRetries, task.RetryDelay ?? host.RetryDelay, task.MaxRetryDelay ?? host.MaxRetryDelay);

    /// <param name="retry">0 for the first retry.</param>
    /// <param name="random">0 to 1.</param>
    public TimeSpan Delay(int retry, double random) => Delay(retry, First, Max, random);

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
