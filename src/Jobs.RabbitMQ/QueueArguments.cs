namespace Jobs.RabbitMQ;

/// <summary>
/// The arguments that each kind of queue is declared with. Only those with the same effect on 3.10 and 4.x: arguments can never be changed, so what depends on the version belongs into policies.
/// </summary>
static class QueueArguments
{
    public static Dictionary<string, object?> Of(QueueSpec queue, BrokerNames names) => queue.Kind switch
    {
        QueueKind.DeadLetter => Kept(),
        QueueKind.Journal => new(Kept()) { ["x-single-active-consumer"] = true },
        QueueKind.DelayLevel => new(PassedOn(names.Below(queue.Level))) { ["x-message-ttl"] = 1000L << queue.Level },
        _ => new(PassedOn("")) { ["x-dead-letter-routing-key"] = names.DeadLetters.Name },
    };

    // What leaves the queue without an ack goes on, and only when the next home has it.
    static Dictionary<string, object?> PassedOn(string exchange) => new()
    {
        ["x-queue-type"] = "quorum",
        ["x-overflow"] = "reject-publish",
        ["x-dead-letter-strategy"] = "at-least-once",
        ["x-dead-letter-exchange"] = exchange,
    };

    // 4.0 drops a message after 20 returns where there is no dead-letter exchange; a finite limit is safe on both, -1 is not (3.10 drops on the first).
    static Dictionary<string, object?> Kept() => new()
    {
        ["x-queue-type"] = "quorum",
        ["x-overflow"] = "reject-publish",
        ["x-delivery-limit"] = 1_000_000,
    };
}
