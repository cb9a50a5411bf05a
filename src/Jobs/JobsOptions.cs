using Jobs.Settings;
using Jobs.Transport;
using Jobs.Wire;

namespace Jobs;

/// <summary>What all parts of a host share. Bound to the configuration section <c>Jobs</c>; code set in <c>AddJobs</c> wins.</summary>
public sealed class JobsOptions : IBoundOptions
{
    /// <summary>The queue of tasks that name none. Defaults to <c>jobs</c>.</summary>
    public string DefaultQueue { get; set; } = "jobs";

    /// <summary>Where jobs go that can never run. Defaults to <c>jobs.dead</c>.</summary>
    public string DeadLetterQueue { get; set; } = "jobs.dead";

    /// <summary>How long an enqueue waits for the transport before it fails. Defaults to 30 seconds.</summary>
    public TimeSpan EnqueueTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How many times a failed job is run again. Defaults to 3.</summary>
    public int MaxRetries { get; set; } = 3;

    /// <summary>What the first retry waits at most; each further one may wait twice as long, full jitter. Defaults to 5 seconds.</summary>
    public TimeSpan RetryDelay { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>What no retry waits longer than. Defaults to 10 minutes.</summary>
    public TimeSpan MaxRetryDelay { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>How arguments of other than built-in types are written and read; a field, so that configuration binding leaves it alone. Set through <see cref="JobsBuilder.UseJsonContext"/>.</summary>
    internal readonly WireTypes Types = new();

    /// <summary>What jitter and stamps are drawn from; tests put one in that they know.</summary>
    internal Random Random { get; set; } = Random.Shared;

    IReadOnlyList<string> IBoundOptions.Unbound { get; set; } = [];

    IEnumerable<string> IBoundOptions.Problems()
    {
        if (!QueueName.IsValid(DefaultQueue))
        {
            yield return $"Jobs:DefaultQueue '{DefaultQueue}': {QueueName.Rule}.";
        }

        if (!QueueName.IsValid(DeadLetterQueue) || DeadLetterQueue == DefaultQueue)
        {
            yield return $"Jobs:DeadLetterQueue '{DeadLetterQueue}': {QueueName.Rule}, and another one than DefaultQueue.";
        }

        if (EnqueueTimeout <= TimeSpan.Zero && EnqueueTimeout != Timeout.InfiniteTimeSpan)
        {
            yield return $"Jobs:EnqueueTimeout {EnqueueTimeout}: must be positive, or Timeout.InfiniteTimeSpan to wait for ever.";
        }

        if (MaxRetries < 0)
        {
            yield return $"Jobs:MaxRetries {MaxRetries}: must be 0 or more.";
        }

        if (RetryDelay < TimeSpan.Zero || MaxRetryDelay < RetryDelay)
        {
            yield return $"Jobs:RetryDelay {RetryDelay} and MaxRetryDelay {MaxRetryDelay}: must not be negative, and the first not above the second.";
        }
    }
}
