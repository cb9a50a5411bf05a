namespace Jobs.RabbitMQ;

/// <summary>A queue that a subscription consumes: a queue of jobs, or the quarantine of one.</summary>
/// <param name="Name">The queue at the broker.</param>
/// <param name="JobQueue">The queue that the jobs belong to.</param>
/// <param name="Prefetch">How many messages may be here without an answer.</param>
/// <param name="Quarantine">Where suspects of <paramref name="JobQueue"/> are set aside; <see langword="null"/> for a queue that is somebody else's.</param>
sealed record ConsumedQueue(string Name, string JobQueue, int Prefetch, Quarantine? Quarantine)
{
    /// <summary>It is the quarantine itself.</summary>
    public bool IsQuarantine { get; } = Name != JobQueue;
}
