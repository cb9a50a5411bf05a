using Microsoft.Extensions.Logging;

namespace Jobs.RabbitMQ;

/// <summary>Every log line of the RabbitMQ transport.</summary>
/// <remarks>
/// Each change of state is logged once, with what happens next. A lost connection is logged in one line. Its blocked
/// state and its consumers end with it and get no lines of their own. Event ids: 400 connections, 420 publishing, 440
/// consuming, 460 journals, 470 results, 480 events, 490 history.
/// </remarks>
static partial class Log
{
    [LoggerMessage(400, LogLevel.Information, "Connected to RabbitMQ at {Host}:{Port} ({Purpose}). Jobs reconnects by itself when the connection is lost")]
    public static partial void Connected(ILogger logger, string purpose, string host, int port);

    [LoggerMessage(401, LogLevel.Warning, "No connection ({Purpose}): {Problem}. Jobs tries every host in turn until one works or the application stops")]
    public static partial void Disconnected(ILogger logger, string purpose, string problem);

    [LoggerMessage(402, LogLevel.Information, "The {Purpose} connection works again, to {Host}:{Port}; waiting work goes on")]
    public static partial void Recovered(ILogger logger, string purpose, string host, int port);

    [LoggerMessage(403, LogLevel.Information,
        "Jobs made policy {Policy} for queue {Queue}, which Celery applications declare too. "
        + "A Celery application that meets 406 at this queue needs {Python}")]
    public static partial void PolicyMade(ILogger logger, string policy, string queue, string python);

    [LoggerMessage(404, LogLevel.Warning, "The policy of queue {Queue} is not checked: {Problem}. Jobs uses the queue as it is")]
    public static partial void PolicyUnchecked(ILogger logger, string queue, string problem);

    [LoggerMessage(420, LogLevel.Warning, "RabbitMQ blocks publishing: {Reason}. Messages wait up to their deadlines, and nothing is sent twice")]
    public static partial void Blocked(ILogger logger, string reason);

    [LoggerMessage(421, LogLevel.Information, "RabbitMQ accepts publishing again; {Waiting} jobs go out now")]
    public static partial void Unblocked(ILogger logger, int waiting);

    [LoggerMessage(422, LogLevel.Warning, "{Count} jobs were sent and not confirmed when the connection ended; they are sent again with the same ids")]
    public static partial void Republishing(ILogger logger, int count);

    [LoggerMessage(423, LogLevel.Warning, "Queue {Queue} is gone. Jobs declares the queue again and sends the job again")]
    public static partial void QueueGone(ILogger logger, string queue);

    [LoggerMessage(424, LogLevel.Warning,
        "Nobody takes the result of job {JobId} at {Queue}: {Reason}. "
        + "The result is dropped, and the job counts as done. Further dropped results of this queue are counted, not logged")]
    public static partial void ReplyDropped(ILogger logger, string? jobId, string queue, string reason);

    [LoggerMessage(425, LogLevel.Warning,
        "Queue {Queue} is not what Jobs would declare: {Difference}. Jobs enqueues into the queue as it is; "
        + "whether the queue survives the loss of a node depends on how it was declared")]
    public static partial void ForeignQueue(ILogger logger, string queue, string difference);

    [LoggerMessage(440, LogLevel.Information, "Consuming from {Queue} with prefetch {Prefetch}")]
    public static partial void Consuming(ILogger logger, string queue, int prefetch);

    [LoggerMessage(441, LogLevel.Warning, "The consumer of {Queue} is lost: {Reason}. Its unacknowledged jobs go back to the queue; Jobs subscribes again")]
    public static partial void ConsumerLost(ILogger logger, string queue, string reason);

    [LoggerMessage(446, LogLevel.Information, "The consumer of {Queue} is back, with prefetch {Prefetch}; it receives jobs again")]
    public static partial void ConsumerRegained(ILogger logger, string queue, int prefetch);

    [LoggerMessage(447, LogLevel.Warning, "{Queue} cannot be consumed: {Problem}. Jobs keeps trying; the other queues are not affected")]
    public static partial void ConsumerRefused(ILogger logger, string queue, string problem);

    [LoggerMessage(449, LogLevel.Information,
        "{Queue} is not consumed yet: {Difference}. Jobs waits for policy {Policy} to take effect, which takes some seconds after a change")]
    public static partial void PolicyAwaited(ILogger logger, string queue, string difference, string policy);

    [LoggerMessage(442, LogLevel.Warning,
        "Job {JobId} from {Queue} was delivered {Count} times and never finished; "
        + "it goes to {Quarantine}, where such jobs run one at a time")]
    public static partial void Quarantined(ILogger logger, string? jobId, string queue, int count, string quarantine);

    [LoggerMessage(443, LogLevel.Error, "Job {JobId} from {Queue} could not be moved to quarantine; it goes back to the queue")]
    public static partial void QuarantineFailed(ILogger logger, string? jobId, string queue, Exception e);

    [LoggerMessage(448, LogLevel.Error,
        "Job {JobId} from {Queue} cannot be moved to quarantine: the broker refuses it for good. "
        + "It runs beside the other jobs, and nothing counts how many workers it kills")]
    public static partial void QuarantineRefused(ILogger logger, string? jobId, string queue, Exception e);

    [LoggerMessage(444, LogLevel.Debug,
        "Job {JobId} from {Queue} came back after a lost connection. The job had {State} in this process, and is not run again")]
    public static partial void CameBack(ILogger logger, string? jobId, string queue, string state);

    [LoggerMessage(445, LogLevel.Debug,
        "A job from {Queue} ended after its channel was lost, so it cannot be acknowledged; "
        + "the broker redelivers it, and this process recognises it if it comes back here")]
    public static partial void LateSettlement(ILogger logger, string queue);

    [LoggerMessage(460, LogLevel.Warning, "Journal {Queue} cannot be read: {Problem}. Jobs keeps trying; this process does not lead meanwhile")]
    public static partial void JournalRefused(ILogger logger, string queue, string problem);

    [LoggerMessage(461, LogLevel.Information, "Journal {Queue} can be read again; this process stands by")]
    public static partial void JournalRegained(ILogger logger, string queue);

    [LoggerMessage(EventId = 470, Message = "The reply queue of this process cannot be declared or consumed: {Problem}. Jobs keeps trying; results wait "
        + "meanwhile")]
    public static partial void ReplyQueueFailed(ILogger logger, LogLevel level, string problem);

    [LoggerMessage(471, LogLevel.Error, "The reply queue {Queue} of this process is gone. Calls that wait for a result fail; the next one gets a new queue")]
    public static partial void ReplyQueueLost(ILogger logger, string queue);

    [LoggerMessage(472, LogLevel.Warning, "The reply queue of this process got a message that is no result: {Problem}. Such messages are thrown away, "
        + "and this is said once")]
    public static partial void StrangeReply(ILogger logger, string problem);

    [LoggerMessage(473, LogLevel.Warning, "Results that nobody has read were dropped, because they were larger than 64 MiB together. Read the results that "
        + "you ask for, or do not ask for them")]
    public static partial void ResultsDropped(ILogger logger);

    [LoggerMessage(480, LogLevel.Warning, "Events are not sent: {Problem}. Jobs go on, and Jobs tries again on the next connection; viewers such as Flower "
        + "see nothing of this process meanwhile")]
    public static partial void EventsOff(ILogger logger, string problem);

    [LoggerMessage(481, LogLevel.Information, "Events are sent again")]
    public static partial void EventsOn(ILogger logger);

    [LoggerMessage(482, LogLevel.Warning, "This process cannot listen to events: {Problem}. Jobs keeps trying")]
    public static partial void ListeningRefused(ILogger logger, string problem);

    [LoggerMessage(490, LogLevel.Warning, "The history {Queue} is off: {Problem}. Jobs keeps trying. The jobs run all the same; what happens to them now "
        + "may not be found later")]
    public static partial void HistoryOff(ILogger logger, string queue, string problem);

    [LoggerMessage(491, LogLevel.Information, "The history {Queue} is on again")]
    public static partial void HistoryOn(ILogger logger, string queue);
}
