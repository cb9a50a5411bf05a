namespace Jobs.RabbitMQ;

/// <summary>A queue that a subscription consumes: a job queue, or the quarantine of a job queue.</summary>
/// <param name="Name">The name of the queue at the broker.</param>
/// <param name="JobQueue">The job queue that the jobs belong to.</param>
/// <param name="Prefetch">How many messages the consumer may hold unsettled.</param>
/// <param name="Quarantine">
/// Where suspects of <paramref name="JobQueue"/> are set aside; <see langword="null"/> for a queue that is not ours.
/// </param>
sealed record ConsumedQueue(string Name, string JobQueue, int Prefetch, Quarantine? Quarantine)
{
    /// <summary>Whether this queue is a quarantine.</summary>
    public bool IsQuarantine { get; } = Name != JobQueue;
}
