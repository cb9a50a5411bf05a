using Microsoft.Extensions.Logging;

namespace Jobs.RabbitMQ;

/// <summary>
/// Every line that the RabbitMQ transport logs: once per change of state, with what happens next. A lost connection
/// takes its blocked state and its consumers along: there is no line for each of them. Event ids: 400 connections, 420
/// publishing, 440 consuming, 460 journals.
/// </summary>
static partial class Log
{
    [LoggerMessage(400, LogLevel.Information, "Connected to RabbitMQ at {Host}:{Port} ({Purpose}); a lost connection is opened again by itself")]
    public static partial void Connected(ILogger logger, string purpose, string host, int port);

    [LoggerMessage(401, LogLevel.Warning, "No connection ({Purpose}): {Problem}. Every host is tried in turn until one works, or the host stops")]
    public static partial void Disconnected(ILogger logger, string purpose, string problem);

    [LoggerMessage(402, LogLevel.Information, "The {Purpose} connection works again, to {Host}:{Port}; what waited for it goes on")]
    public static partial void Recovered(ILogger logger, string purpose, string host, int port);

    [LoggerMessage(420, LogLevel.Warning, "RabbitMQ blocks publishing: {Reason}. Jobs wait for it up to their deadline; nothing is sent twice")]
    public static partial void Blocked(ILogger logger, string reason);

    [LoggerMessage(421, LogLevel.Information, "RabbitMQ accepts publishing again; {Waiting} jobs go out now")]
    public static partial void Unblocked(ILogger logger, int waiting);

    [LoggerMessage(422, LogLevel.Warning, "{Count} jobs were sent and not confirmed when the connection ended; they are sent again with the same ids")]
    public static partial void Republishing(ILogger logger, int count);

    [LoggerMessage(423, LogLevel.Warning, "Queue {Queue} is gone; it is declared again and the job sent again")]
    public static partial void QueueGone(ILogger logger, string queue);

    [LoggerMessage(424, LogLevel.Warning, "Nobody takes the result of job {JobId} at {Queue}: {Reason}. It is dropped, and the job counts as done; further ones to this queue are counted without a line")]
    public static partial void ReplyDropped(ILogger logger, string? jobId, string queue, string reason);

    [LoggerMessage(425, LogLevel.Warning, "Queue {Queue} is not what Jobs would declare: {Difference}. Jobs enqueues into it as it is; whether it outlives a lost node is up to who declared it")]
    public static partial void ForeignQueue(ILogger logger, string queue, string difference);

    [LoggerMessage(440, LogLevel.Information, "Consuming from {Queue} with prefetch {Prefetch}")]
    public static partial void Consuming(ILogger logger, string queue, int prefetch);

    [LoggerMessage(441, LogLevel.Warning, "The consumer of {Queue} is lost: {Reason}. Its unacknowledged jobs go back to the queue; it subscribes again")]
    public static partial void ConsumerLost(ILogger logger, string queue, string reason);

    [LoggerMessage(446, LogLevel.Information, "The consumer of {Queue} is back, with prefetch {Prefetch}; jobs come again")]
    public static partial void ConsumerRegained(ILogger logger, string queue, int prefetch);

    [LoggerMessage(447, LogLevel.Warning, "{Queue} cannot be consumed: {Problem}. It is tried again and again; the other queues are not affected")]
    public static partial void ConsumerRefused(ILogger logger, string queue, string problem);

    [LoggerMessage(442, LogLevel.Warning, "Job {JobId} from {Queue} was delivered {Count} times without coming to an end; it goes to {Quarantine}, where such jobs run one at a time")]
    public static partial void Quarantined(ILogger logger, string? jobId, string queue, int count, string quarantine);

    [LoggerMessage(443, LogLevel.Error, "Job {JobId} from {Queue} could not be moved to quarantine; it is given back")]
    public static partial void QuarantineFailed(ILogger logger, string? jobId, string queue, Exception e);

    [LoggerMessage(448, LogLevel.Error, "Job {JobId} from {Queue} cannot be moved to quarantine, which refuses it for good; it runs beside the others, and nothing counts how many workers it kills")]
    public static partial void QuarantineRefused(ILogger logger, string? jobId, string queue, Exception e);

    [LoggerMessage(444, LogLevel.Debug, "Job {JobId} from {Queue} came back after a lost connection; it had {State} here and is not run again")]
    public static partial void CameBack(ILogger logger, string? jobId, string queue, string state);

    [LoggerMessage(445, LogLevel.Debug, "An acknowledgement on {Queue} came after its channel was gone; the broker redelivers the job, and it is recognised when it comes back here")]
    public static partial void LateSettlement(ILogger logger, string queue);

    [LoggerMessage(460, LogLevel.Warning, "Journal {Queue} cannot be read: {Problem}. It is tried again and again; this process does not lead meanwhile")]
    public static partial void JournalRefused(ILogger logger, string queue, string problem);

    [LoggerMessage(461, LogLevel.Information, "Journal {Queue} can be read again; this process stands by")]
    public static partial void JournalRegained(ILogger logger, string queue);
}
