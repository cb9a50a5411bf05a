using Jobs.Working;

namespace Jobs.RabbitMQ;

/// <summary>The pause before a lost connection or consumer is tried again. Full jitter, so that the clients of a node that died do not all come to the next at the same moment.</summary>
static class BackOff
{
    static readonly TimeSpan shortest = TimeSpan.FromMilliseconds(100);
    static readonly TimeSpan longest = TimeSpan.FromSeconds(10);

    /// <summary>Ends early, without an exception, when it is cancelled.</summary>
    public static async Task PauseAsync(int failures, TimeProvider time, CancellationToken cancellationToken) =>
        await Task.Delay(RetryPolicy.Delay(failures, shortest, longest, Random.Shared.NextDouble()), time, cancellationToken)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
}
