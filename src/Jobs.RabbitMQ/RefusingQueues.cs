namespace Jobs.RabbitMQ;

/// <summary>The queues that refuse every job of a channel, and since when.</summary>
/// <remarks>
/// Another channel helps when the broker looks for the leader of a queue at a dead node: see
/// <see cref="PublishLedger"/>. It does not help when the queue is full by a policy. So each further attempt with
/// another channel comes twelve times later, until the queue takes a job.
/// </remarks>
sealed class RefusingQueues(TimeProvider time)
{
    const int MostAttempts = 3;

    static readonly TimeSpan patience = TimeSpan.FromSeconds(5);

    readonly Dictionary<string, Refusal> queues = new(StringComparer.Ordinal);

    public void Refused(string queue, int channel, long now)
    {
        if (!queues.TryGetValue(queue, out var refusal) || refusal.Channel != channel)
        {
            queues[queue] = new(channel, now, refusal.Attempts);
        }
    }

    public void Took(string queue)
    {
        if (queues.Count > 0) // each confirm comes here, and hardly any queue refuses
        {
            queues.Remove(queue);
        }
    }

    /// <summary>Whether it is time to try another channel. The answer counts as such an attempt.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="channel">The number of the channel.</param>
    /// <param name="begin">The time does not count before this timestamp.</param>
    /// <param name="now">The timestamp.</param>
    public bool IsOverdue(string queue, int channel, long begin, long now)
    {
        if (!queues.TryGetValue(queue, out var refusal) || refusal.Channel != channel
            || time.GetElapsedTime(Math.Max(refusal.Since, begin), now) <= patience * Math.Pow(12, refusal.Attempts))
        {
            return false;
        }

        queues[queue] = new(channel, now, Math.Min(refusal.Attempts + 1, MostAttempts));
        return true;
    }

    readonly record struct Refusal(int Channel, long Since, int Attempts);
}
