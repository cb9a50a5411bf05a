namespace Jobs.Diagnostics;

/// <summary>
/// Every name in metrics and traces. Names are those of OpenTelemetry's messaging conventions where one fits; our own
/// names begin with <c>jobs.</c>.
/// </summary>
/// <remarks>
/// The conventions (as of 1.45) are still "Development". Each of their names is here once, so that a change is one
/// line.
/// </remarks>
static class TelemetryNames
{
    /// <summary>The name of the one meter and of the one activity source.</summary>
    public const string Source = "Jobs";

    /// <summary>The version of the package. A backend shows it as the version of the instrumentation.</summary>
    public static string? Version { get; } = typeof(TelemetryNames).Assembly.GetName().Version?.ToString(3);

    /// <summary>Units of instruments. Times are in seconds.</summary>
    public static class Unit
    {
        public const string Seconds = "s";
        public const string Jobs = "{job}";
        public const string Messages = "{message}";
        public const string Connections = "{connection}";
        public const string Consumers = "{consumer}";
        public const string Events = "{event}";
    }

    public static class Metric
    {
        // messaging conventions
        public const string Sent = "messaging.client.sent.messages";
        public const string Consumed = "messaging.client.consumed.messages";
        public const string Operation = "messaging.client.operation.duration";
        public const string Process = "messaging.process.duration";

        // ours: jobs
        public const string QueueLatency = "jobs.queue.latency";
        public const string Active = "jobs.active";
        public const string Retries = "jobs.retries";
        public const string Dead = "jobs.dead";
        public const string Expired = "jobs.expired";
        public const string Redelivered = "jobs.redelivered";
        public const string SettlementFailures = "jobs.settlement.failures";
        public const string BeatLag = "jobs.beat.lag";

        // ours: transports
        public const string Confirm = "jobs.confirm.duration";
        public const string Blocked = "jobs.publish.blocked";
        public const string Pending = "jobs.publish.pending";
        public const string RepliesDropped = "jobs.replies.dropped";
        public const string Quarantined = "jobs.quarantined";
        public const string ConnectionUp = "jobs.connection.up";
        public const string Reconnects = "jobs.connection.reconnects";
        public const string ConsumerCount = "jobs.consumer.count";
        public const string ConsumersLost = "jobs.consumer.losses";
        public const string EventsDropped = "jobs.events.dropped";
    }

    public static class Tag
    {
        // messaging conventions
        public const string System = "messaging.system";
        public const string Operation = "messaging.operation.name";
        public const string OperationType = "messaging.operation.type";
        public const string Queue = "messaging.destination.name";
        public const string MessageId = "messaging.message.id";
        public const string ConversationId = "messaging.message.conversation_id";
        public const string BodySize = "messaging.message.body.size";
        public const string Error = "error.type";

        // ours
        public const string Task = "jobs.task";
        public const string Attempt = "jobs.attempt";
        public const string Outcome = "jobs.outcome";
        public const string Schedule = "jobs.schedule";
        public const string Connection = "jobs.connection";
    }

    /// <summary>Operations. The name and the type of an operation are the same word.</summary>
    public static class Operation
    {
        public const string Send = "send";
        public const string Process = "process";
    }

    /// <summary>How a run ended.</summary>
    public static class Outcome
    {
        public const string Succeeded = "succeeded";
        public const string Failed = "failed";
        public const string Interrupted = "interrupted";
        public const string Snoozed = "snoozed";
    }

    /// <summary>Values of <c>error.type</c> for failures without an exception type that says enough.</summary>
    public static class Error
    {
        public const string NotEnqueued = "not_enqueued";
        public const string MaybeEnqueued = "maybe_enqueued";
        public const string Malformed = "malformed";
        public const string UnknownTask = "unknown_task";
        public const string MaxDeliveries = "max_deliveries";
        public const string Expired = "expired";
        public const string Unsupported = "unsupported";
    }

    /// <summary>
    /// Stands for every task that this process does not know: a sender must not be able to make up tag values.
    /// </summary>
    public const string UnknownTask = "_unknown";
}
