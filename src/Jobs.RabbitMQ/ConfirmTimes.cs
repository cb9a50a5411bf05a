namespace Jobs.RabbitMQ;

/// <summary>The slowest confirm of about the last 30 seconds. The ledger's lock guards it.</summary>
/// <remarks>
/// Old times are forgotten. Otherwise a process that was taken out of service for a slow confirm could never come back:
/// such a process publishes nothing, and so gets no new times.
/// </remarks>
sealed class ConfirmTimes(TimeProvider time)
{
    static readonly TimeSpan remembered = TimeSpan.FromSeconds(30);

    TimeSpan slowest;
    long at;

    public void Add(TimeSpan latency, long now)
    {
        if (latency >= slowest || time.GetElapsedTime(at, now) > remembered)
        {
            (slowest, at) = (latency, now);
        }
    }

    public TimeSpan Slowest(long now) => time.GetElapsedTime(at, now) > remembered ? TimeSpan.Zero : slowest;
}
