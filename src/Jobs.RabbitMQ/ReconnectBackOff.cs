using Jobs.Working;

namespace Jobs.RabbitMQ;

/// <summary>Computes the pause before we try a lost connection or consumer again.</summary>
/// <remarks>
/// The pause has full jitter: when a node dies, its clients must not all reach the next node at the same moment.
/// </remarks>
static class ReconnectBackOff
{
    static readonly TimeSpan shortest = TimeSpan.FromMilliseconds(100);
    static readonly TimeSpan longest = TimeSpan.FromSeconds(10);

    public static TimeSpan After(int failures, Random random) => RetryPolicy.Delay(failures, shortest, longest, random.NextDouble());
}
