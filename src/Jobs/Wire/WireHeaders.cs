namespace Jobs.Wire;

/// <summary>
/// Every header name, in one place. Celery's names are those of its message protocol 2; our own names begin with
/// <c>x-jobs-</c>.
/// </summary>
static class WireHeaders
{
    public const string Task = "task";
    public const string Id = "id";
    public const string RootId = "root_id";
    public const string ParentId = "parent_id";
    public const string Retries = "retries";
    public const string Eta = "eta";
    public const string Expires = "expires";
    public const string Compression = "compression";
    public const string IgnoreResult = "ignore_result";

    /// <summary>What a viewer shows as the arguments, in Python's syntax.</summary>
    public const string ArgumentsText = "argsrepr";

    /// <summary>What a viewer shows as the keyword arguments.</summary>
    public const string KeywordsText = "kwargsrepr";

    public const string TimeLimit = "timelimit";
    public const string StampedHeaders = "stamped_headers";
    public const string Stamps = "stamps";

    public const string TraceParent = "traceparent";
    public const string TraceState = "tracestate";

    /// <summary>How often the message was delivered before it was moved to the queue where it is now.</summary>
    public const string Deliveries = "x-jobs-deliveries";

    /// <summary>
    /// A number that tells copies of one job apart: they have the same id, but are different messages.
    /// </summary>
    public const string Copy = "x-jobs-copy";

    /// <summary>The name of the schedule that fired the job. Such a job begins a trace of its own.</summary>
    public const string Schedule = "x-jobs-schedule";

    /// <summary>
    /// Says which headers were lost, because nobody could read them. Such a message becomes a dead letter.
    /// </summary>
    public const string Unreadable = "x-jobs-unreadable";

    /// <summary>
    /// Marks the place up to which a new reader of a journal has to read, or a sweep has to go through dead letters.
    /// </summary>
    public const string Mark = "x-jobs-mark";

    /// <summary>The sweep that published a dead letter again, to the end of its queue.</summary>
    public const string Swept = "x-jobs-swept";

    /// <summary>
    /// Marks a question to the reader of a journal; the answer goes to the <c>reply_to</c> of the message.
    /// </summary>
    public const string Ask = "x-jobs-ask";

    /// <summary>How many messages an answer has, on each of them.</summary>
    public const string Parts = "x-jobs-parts";

    public const string DeadReason = "x-jobs-dead-reason";
    public const string DeadQueue = "x-jobs-dead-queue";
    public const string DeadAt = "x-jobs-dead-at";
    public const string DeadAttempts = "x-jobs-dead-attempts";
    public const string DeadException = "x-jobs-dead-exception";
    public const string DeadStack = "x-jobs-dead-stack";

    /// <summary>The request that sent the job back from the dead letters.</summary>
    public const string Request = "x-jobs-request";

    /// <summary>
    /// A person has enqueued the job, or sent it back: workers tell each of its steps, also where events only count jobs.
    /// </summary>
    public const string Tell = "x-jobs-tell";

    /// <summary>The id of the job that has failed, on the jobs that its failure enqueues.</summary>
    public const string FailedId = "x-jobs-failed-id";

    /// <summary>The type of its exception.</summary>
    public const string FailedType = "x-jobs-failed-type";

    /// <summary>The message of its exception.</summary>
    public const string FailedMessage = "x-jobs-failed-message";

    public const string JobsPrefix = "x-jobs-";

    /// <summary>The options of a signature that become headers, and the names of these headers.</summary>
    public static (string Option, string Header)[] OfOptions { get; } =
    [
        ("group_id", "group"), ("group_index", "group_index"), ("shadow", "shadow"), (IgnoreResult, IgnoreResult),
        ("replaced_task_nesting", "replaced_task_nesting"), (Retries, Retries),
    ];

    /// <summary>
    /// Whether a user's header must not have this name: the header would overwrite one of the protocol, or be taken for
    /// one of the broker.
    /// </summary>
    public static bool IsReserved(string name) =>
        name is Task or Id or RootId or ParentId or Retries or Eta or Expires or Compression or TraceParent or TraceState
            or "lang" or "shadow" or "group" or "group_index" or TimeLimit or ArgumentsText or KeywordsText or "origin" or IgnoreResult
            or "replaced_task_nesting" or StampedHeaders or Stamps or "delivery_info"
        || name.StartsWith(JobsPrefix, StringComparison.OrdinalIgnoreCase)
        || IsBrokers(name);

    /// <summary>
    /// Whether the header belongs to one delivery: a broker or a client library has added it, or it is our own count.
    /// Such headers must not be published again: before RabbitMQ 4.0, a broker that finds an <c>x-death</c> in a
    /// message confirms the message, takes it for a dead-letter cycle and drops it (celery #9867).
    /// </summary>
    public static bool IsBrokers(string name) =>
        name.StartsWith("x-", StringComparison.Ordinal)
        && (name is Deliveries or "x-death" or "x-delivery-count" or "x-acquired-count" or "x-dotnet-pub-seq-no"
            || name.StartsWith("x-first-death-", StringComparison.Ordinal)
            || name.StartsWith("x-last-death-", StringComparison.Ordinal));
}
