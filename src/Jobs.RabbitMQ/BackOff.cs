using Jobs.Working;

namespace Jobs.RabbitMQ;

/// <summary>The pause before a lost connection or consumer is tried again. Full jitter, so that the clients of a node that died do not all come to the next at the same moment.</summary>
static class BackOff
{
    static readonly TimeSpan shortest = TimeSpan.FromMilliseconds(100);
    static readonly TimeSpan longest = TimeSpan.FromSeconds(10);

    public static TimeSpan After(int failures, Random random) => RetryPolicy.Delay(failures, shortest, longest, random.NextDouble());
}
