using System.Globalization;

namespace Jobs.RabbitMQ;

/// <summary>The arguments that each kind of queue is declared with.</summary>
/// <remarks>
/// Only arguments with the same effect on 3.10 and 4.x are used. Arguments can never be changed, so settings that
/// depend on the version belong into policies.
/// </remarks>
static class QueueArguments
{
    // A limit that no message reaches. The default of 4.0 is 20 and counts every return: lost connections, stops, a
    // look by hand. The broker drops a message that exceeds the limit, or dead-letters it without a reason. Never -1:
    // 3.10 then drops a message at its first return. The quarantine finds the messages that kill their workers.
    const int MostReturns = 1_000_000;

    const string QueueType = "x-queue-type";

    // In milliseconds: how long a process may be away from the broker without losing its results.
    const int ReplyQueueExpires = 30 * 60 * 1000;

    // The broker removes whole segments. With ten of them, the history has nine to ten tenths of its size.
    const int Segments = 10;
    const long SmallestSegment = 64 << 10;
    const long LargestSegment = 500 << 20;

    /// <summary>
    /// The queue of a listener to events, which is exclusive. As with Celery, an event that nobody has taken in five
    /// seconds goes. The broker removes an exclusive queue with its connection; the queue expires too, in case nobody
    /// notices that the connection has ended.
    /// </summary>
    public static Dictionary<string, object?> OfListener => new()
    {
        ["x-message-ttl"] = 5_000,
        ["x-expires"] = 60_000,
        ["x-max-length"] = Transport.BroadcastQueue.MostEvents,
    };

    public static Dictionary<string, object?> Of(QueueSpec queue, QueueLayout layout) => queue.Kind switch
    {
        QueueKind.DeadLetter => Kept(),
        QueueKind.Shared => new() { [QueueType] = "quorum" }, // all that Celery declares as well; see CeleryPolicies
        QueueKind.Journal => new(Kept()) { ["x-single-active-consumer"] = true },
        QueueKind.Replies => new(Kept()) { ["x-expires"] = ReplyQueueExpires },
        QueueKind.DelayLevel => new(PassedOn(layout.Below(queue.Level))) { ["x-message-ttl"] = 1000L << queue.Level },
        QueueKind.History => new()
        {
            [QueueType] = "stream",
            ["x-max-age"] = string.Create(CultureInfo.InvariantCulture, $"{(long)layout.Retention.Age.TotalSeconds}s"),
            ["x-max-length-bytes"] = layout.Retention.Bytes,
            ["x-stream-max-segment-size-bytes"] = Math.Clamp(layout.Retention.Bytes / Segments, SmallestSegment, LargestSegment),
        },
        _ => new(PassedOn("")) { ["x-dead-letter-routing-key"] = layout.DeadLetters.Name },
    };

    /// <summary>
    /// What a policy must say to make a queue that has only its type as argument work like a job queue of ours.
    /// </summary>
    public static Dictionary<string, object?> AsPolicy(QueueLayout layout) => Of(new("", QueueKind.Work), layout)
        .Where(argument => argument.Key != QueueType)
        .ToDictionary(argument => argument.Key["x-".Length..], argument => argument.Value, StringComparer.Ordinal);

    // A message that leaves the queue without an ack goes to the next queue. It leaves only when the next queue has it.
    static Dictionary<string, object?> PassedOn(string exchange) => new(Kept())
    {
        ["x-dead-letter-strategy"] = "at-least-once",
        ["x-dead-letter-exchange"] = exchange,
    };

    static Dictionary<string, object?> Kept() => new()
    {
        [QueueType] = "quorum",
        ["x-overflow"] = "reject-publish",
        ["x-delivery-limit"] = MostReturns,
    };
}
