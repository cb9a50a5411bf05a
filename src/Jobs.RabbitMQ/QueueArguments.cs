namespace Jobs.RabbitMQ;

/// <summary>
/// The arguments that each kind of queue is declared with. Only those with the same effect on 3.10 and 4.x: arguments
/// can never be changed, so what depends on the version belongs into policies.
/// </summary>
static class QueueArguments
{
    // No limit that anything reaches. 4.0's default of 20 counts every return: lost connections, stops, looks by hand;
    // what exceeds it is dropped, or dead without a reason. Never -1: 3.10 then
    // drops a message on its first return. What may kill its worker is for the quarantine to find out.
    const int MostReturns = 1_000_000;

    public static Dictionary<string, object?> Of(QueueSpec queue, QueueLayout layout) => queue.Kind switch
    {
        QueueKind.DeadLetter => Kept(),
        QueueKind.Journal => new(Kept()) { ["x-single-active-consumer"] = true },
        QueueKind.DelayLevel => new(PassedOn(layout.Below(queue.Level))) { ["x-message-ttl"] = 1000L << queue.Level },
        _ => new(PassedOn("")) { ["x-dead-letter-routing-key"] = layout.DeadLetters.Name },
    };

    // What leaves the queue without an ack goes on, and only when the next home has it.
    static Dictionary<string, object?> PassedOn(string exchange) => new(Kept())
    {
        ["x-dead-letter-strategy"] = "at-least-once",
        ["x-dead-letter-exchange"] = exchange,
    };

    static Dictionary<string, object?> Kept() => new()
    {
        ["x-queue-type"] = "quorum",
        ["x-overflow"] = "reject-publish",
        ["x-delivery-limit"] = MostReturns,
    };
}
