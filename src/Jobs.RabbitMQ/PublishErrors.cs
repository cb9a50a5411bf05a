namespace Jobs.RabbitMQ;

/// <summary>
/// The exceptions that a caller gets when the broker did not confirm its job. Each says whether the job may be enqueued
/// all the same.
/// </summary>
static class PublishErrors
{
    /// <summary>The deadline has passed.</summary>
    public static JobPublishException Overdue(PendingPublish publish, string? blocked, Exception? lastFailure) => publish.MaybeSent
        ? new(Id(publish), maybeEnqueued: true, isTransient: true,
            $"Job {Id(publish)} for queue '{publish.Queue}' may or may not be enqueued: the broker did not confirm it in time"
            + $"{(blocked is null ? "" : $" (the broker blocks publishing: {blocked})")}. "
            + "Enqueue the job again with this id, so that its task can recognise a second copy.")
        : new(Id(publish), maybeEnqueued: false, isTransient: true,
            $"Job {Id(publish)} for queue '{publish.Queue}' was not enqueued in time: "
            + $"{(blocked is not null ? $"the broker blocks publishing: {blocked}" : lastFailure?.Message ?? "the broker was not reached")}.",
            lastFailure);

    /// <summary>The broker refuses this connection or this queue for good.</summary>
    public static JobPublishException Refused(PendingPublish publish, Exception refusal) =>
        publish.MaybeSent ? Overdue(publish, null, refusal) : NotEnqueued(Id(publish), refusal);

    /// <summary>The job never left this process.</summary>
    public static JobPublishException NotEnqueued(string id, Exception refusal) =>
        new(id, maybeEnqueued: false, isTransient: false, $"Job {id} was not enqueued: {refusal.Message}", refusal);

    /// <summary>The broker returned the job, because no queue takes it.</summary>
    public static JobPublishException Unroutable(PendingPublish publish, string exchange) =>
        new(Id(publish), maybeEnqueued: false, isTransient: false,
            $"Job {Id(publish)} was not enqueued: exchange '{exchange}' has no route to queue '{publish.Queue}' ({publish.Returned}). "
            + "Declare the queue, or let Jobs declare it with Declare = DeclareMode.Declare.");

    /// <summary>The broker closed the channel because of this publish.</summary>
    public static JobPublishException RefusedByBroker(PendingPublish publish, string reason) =>
        new(Id(publish), maybeEnqueued: false, isTransient: false,
            $"Job {Id(publish)} for queue '{publish.Queue}' ({publish.Message.Body.Length:n0} bytes) was not enqueued; the broker refused it: {reason}");

    static string Id(PendingPublish publish) => publish.Message.CorrelationId ?? "";
}
