using Jobs.Settings;
using Jobs.Transport;
using Jobs.Wire;

namespace Jobs;

/// <summary>
/// The options that all parts of a host share. Bound to the configuration section <c>Jobs</c>; values set in code, in
/// <c>AddJobs</c>, win.
/// </summary>
public sealed class JobsOptions : IBoundOptions
{
    /// <summary>The queue of tasks that name none. Defaults to <c>jobs</c>.</summary>
    public string DefaultQueue { get; set; } = "jobs";

    /// <summary>The queue for jobs that can never run (dead letters). Defaults to <c>jobs.dead</c>.</summary>
    public string DeadLetterQueue { get; set; } = "jobs.dead";

    /// <summary>
    /// The queues of tasks that this program does not have, by name or pattern: <c>"tasks.*"</c> to <c>"celery"</c>. A
    /// star stands for any text; the longest pattern that fits wins. Defaults to none: then a job by name goes to the
    /// <see cref="DefaultQueue"/>, and a job that another program put into a chain without a queue becomes a dead
    /// letter.
    /// </summary>
    public IDictionary<string, string> Routes { get; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>
    /// How long an enqueue waits for the transport before it fails; <see cref="Timeout.InfiniteTimeSpan"/> for ever.
    /// Defaults to 30 seconds.
    /// </summary>
    public TimeSpan EnqueueTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How many times a failed job is run again. Defaults to 3.</summary>
    public int MaxRetries { get; set; } = 3;

    /// <summary>
    /// The upper limit of the wait before the first retry. The limit doubles with each further retry. The actual wait
    /// is random, between zero and the limit (full jitter). Defaults to 5 seconds.
    /// </summary>
    public TimeSpan RetryDelay { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>The longest wait before any retry. Defaults to 10 minutes.</summary>
    public TimeSpan MaxRetryDelay { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>
    /// For how long the result of a job is kept, counted from the end of the job. Defaults to 1 day.
    /// </summary>
    public TimeSpan ResultExpires { get; set; } = TimeSpan.FromDays(1);

    /// <summary>
    /// The largest result, in bytes of JSON. The caller of a job with a larger result gets an error; the job has
    /// succeeded all the same. Defaults to 8 MiB.
    /// </summary>
    public int MaxResultBytes { get; set; } = 8 << 20;

    /// <summary>
    /// The worker tells the caller when a job starts, if the caller asked for the result. Over SQLite and in memory the
    /// worker always does; over RabbitMQ it costs one more message for each run. Defaults to <see langword="false"/>.
    /// </summary>
    public bool TrackStarted { get; set; }

    /// <summary>
    /// What workers tell of jobs and of themselves, as events in Celery's format, which Flower and other viewers show.
    /// The events of a job that failed have its arguments, except for <see cref="SensitiveNames"/>. Defaults to
    /// <see cref="EventLevel.Default"/>.
    /// </summary>
    public EventLevel Events { get; set; } = EventLevel.Default;

    /// <summary>
    /// Whether an enqueue is told as an event too: celery-exporter measures by it how long jobs wait. Defaults to
    /// <see langword="false"/>.
    /// </summary>
    public bool SendSentEvents { get; set; }

    /// <summary>
    /// Viewers do not see a value whose name contains one of these words: an argument by name, a parameter of a C#
    /// task, or a property or key at any depth of an argument or a result. Events show <c>'***'</c> instead. Case,
    /// <c>_</c> and <c>-</c> do not count: <c>api_key</c> is also <c>ApiKey</c> and <c>x-api-key</c>. Configuration adds words, code
    /// can also replace them. For a parameter with another name: <see cref="SensitiveAttribute"/>, which also says what
    /// is not hidden. Defaults to password, passwd, passphrase, secret, token, authorization, apikey, api_key,
    /// credential, cookie, privatekey, private_key, connectionstring and connection_string.
    /// </summary>
    public IList<string> SensitiveNames { get; set; } =
    [
        "password", "passwd", "passphrase", "secret", "token", "authorization", "apikey", "api_key", "credential", "cookie", "privatekey", "private_key",
        "connectionstring", "connection_string",
    ];

    /// <summary>
    /// For how long the history of jobs and workers is kept. Over RabbitMQ whole segments of a tenth of
    /// <see cref="HistoryBytes"/> are removed, so a quiet history keeps old events for longer. Defaults to 7 days.
    /// </summary>
    public TimeSpan HistoryAge { get; set; } = TimeSpan.FromDays(7);

    /// <summary>
    /// How large the history may become, in bytes; 0 for no history. In memory at most 64 MiB and 100,000 entries are
    /// kept. Defaults to 1 GiB.
    /// </summary>
    public long HistoryBytes { get; set; } = 1 << 30;

    /// <summary>
    /// How values of types that are not built in are written and read. Set through
    /// <see cref="JobsBuilder.UseJsonContext"/> and <see cref="JobsBuilder.UseJson"/>. This is a field, because
    /// configuration binding leaves fields alone.
    /// </summary>
    internal readonly WireTypes Types = new();

    /// <summary>The source of jitter and stamps. Tests set a seeded one.</summary>
    internal Random Random { get; set; } = Random.Shared;

    /// <summary>How many dead letters one subscription of the keeper holds. Tests set a small number.</summary>
    internal int LettersHeld { get; set; } = ushort.MaxValue;

    IReadOnlyList<string> IBoundOptions.Unbound { get; set; } = [];

    IEnumerable<string> IBoundOptions.Problems()
    {
        if (!QueueName.IsValid(DefaultQueue))
        {
            yield return $"Jobs:DefaultQueue '{DefaultQueue}': {QueueName.Rule}.";
        }

        if (!QueueName.IsValid(DeadLetterQueue) || DeadLetterQueue == DefaultQueue)
        {
            yield return $"Jobs:DeadLetterQueue '{DeadLetterQueue}': {QueueName.Rule}, and is not the DefaultQueue.";
        }

        foreach (var (pattern, queue) in Routes.Where(route => route.Key.Length == 0 || !QueueName.IsValid(route.Value)))
        {
            yield return $"Jobs:Routes '{pattern}' to '{queue}': the pattern must not be empty, and for the queue: {QueueName.Rule}.";
        }

        if (EnqueueTimeout <= TimeSpan.Zero && EnqueueTimeout != Timeout.InfiniteTimeSpan)
        {
            yield return $"Jobs:EnqueueTimeout {EnqueueTimeout}: must be positive, or Timeout.InfiniteTimeSpan to wait for ever.";
        }

        if (MaxRetries < 0)
        {
            yield return $"Jobs:MaxRetries {MaxRetries}: must be 0 or more.";
        }

        if (ResultExpires <= TimeSpan.Zero)
        {
            yield return $"Jobs:ResultExpires {ResultExpires}: must be positive.";
        }

        if (MaxResultBytes < 1)
        {
            yield return $"Jobs:MaxResultBytes {MaxResultBytes}: must be 1 or more.";
        }

        if (!Enum.IsDefined(Events))
        {
            yield return $"Jobs:Events {Events}: must be {string.Join(", ", Enum.GetNames<EventLevel>())}.";
        }

        if (SendSentEvents && Events == EventLevel.Off)
        {
            yield return $"Jobs:SendSentEvents {SendSentEvents}: this process sends no events, because Jobs:Events is {Events}. Leave one of the two out.";
        }

        if (SensitiveNames.Any(name => name.AsSpan().Trim("_- ").IsEmpty))
        {
            yield return "Jobs:SensitiveNames: an entry is empty, or has only '_' and '-', and would hide every value. Remove the entry.";
        }

        if (HistoryAge < TimeSpan.FromMinutes(1) || HistoryAge > TimeSpan.FromDays(3650))
        {
            yield return $"Jobs:HistoryAge {HistoryAge}: must be 1 minute to 3,650 days.";
        }

        if (HistoryBytes is not 0 and < 1 << 20)
        {
            yield return $"Jobs:HistoryBytes {HistoryBytes}: must be 0 for no history, or at least {1 << 20}.";
        }

        if (RetryDelay < TimeSpan.Zero || MaxRetryDelay < RetryDelay)
        {
            yield return $"Jobs:RetryDelay {RetryDelay} and MaxRetryDelay {MaxRetryDelay}: must not be negative, and RetryDelay must not be above "
                + "MaxRetryDelay.";
        }
    }
}
