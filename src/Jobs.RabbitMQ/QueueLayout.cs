using System.Globalization;

namespace Jobs.RabbitMQ;

/// <summary>All names at the broker, in one place.</summary>
/// <param name="prefix">Begins the names of what Jobs needs for itself.</param>
/// <param name="deadLetterQueue">The queue of dead letters.</param>
/// <param name="celeryQueues">The job queues that Celery applications declare too.</param>
sealed class QueueLayout(string prefix, string deadLetterQueue, IEnumerable<string> celeryQueues)
{
    readonly HashSet<string> shared = [.. celeryQueues];
    readonly string[] ours = [$"{prefix}.delay.", $"{prefix}.journal.", $"{prefix}.quarantine.", $"{prefix}.replies."];

    public QueueSpec DeadLetters { get; } = new(deadLetterQueue, QueueKind.DeadLetter);

    /// <summary>A queue for jobs.</summary>
    public QueueSpec Work(string queue) => new(queue, shared.Contains(queue) ? QueueKind.Shared : QueueKind.Work);

    /// <summary>The policy of a queue that Celery applications declare too.</summary>
    /// <remarks>
    /// Each queue has a policy of its own. With one policy for several queues, two processes whose lists differ would
    /// take the policy away from each other's queues, and a queue without its policy loses the dead letters that wait.
    /// </remarks>
    public QueuePolicy Policy(string queue) => new($"{prefix}.celery.{queue}", queue, QueueArguments.AsPolicy(this));

    /// <summary>What a Celery application must say of a shared queue so that nobody meets 406.</summary>
    public static string Python(string queue) => $"Queue('{queue}', queue_arguments={{'x-queue-type': 'quorum'}}), or Queue('{queue}', no_declare=True)";

    /// <summary>Where suspects run one at a time; see <see cref="RabbitMQ.Quarantine"/>.</summary>
    public QueueSpec Quarantine(string queue) => new($"{prefix}.quarantine.{queue}", QueueKind.Quarantine);

    /// <summary>The queue of a journal.</summary>
    public QueueSpec Journal(string name) => new($"{prefix}.journal.{name}", QueueKind.Journal);

    /// <summary>A new queue for the results of one process.</summary>
    public QueueSpec Replies() => new($"{prefix}.replies.{Guid.NewGuid():N}", QueueKind.Replies);

    /// <summary>A new queue for one listener to events, with a name as Celery gives it.</summary>
    public static string Listener(string exchange) => $"{exchange}.{Guid.NewGuid():N}";

    /// <summary>The stream of the history.</summary>
    public QueueSpec History { get; } = new($"{prefix}.history", QueueKind.History);

    /// <summary>How long the history is kept, and how large it may become; 0 bytes for no history.</summary>
    public (TimeSpan Age, long Bytes) Retention { get; init; } = (TimeSpan.FromDays(7), 1 << 30);

    /// <summary>
    /// The events that the history keeps: everything but the heartbeats of workers, which would be most of it.
    /// </summary>
    public static IReadOnlyList<string> HistoryKeys { get; } = ["task.#", "worker.online", "worker.offline", "jobs.#"];

    /// <summary>Why a queue for jobs may not have this name; <see langword="null"/> when it may.</summary>
    public string? Problem(string queue) =>
        Array.Find(ours, own => queue.StartsWith(own, StringComparison.Ordinal)) is { } own
            ? $"names that begin with '{own}' are Jobs' own (RabbitMqOptions.Prefix)"
        : queue == History.Name ? "it is Jobs' own, for the history (RabbitMqOptions.Prefix)"
        : queue.AsSpan().ContainsAny('*', '#') && queue.Split('.').Any(word => word is "*" or "#")
            ? "a word '*' or '#' would match other queues' delayed jobs too"
        : null;

    /// <summary>The queue of a delay level. The exchange of the level has the same name.</summary>
    public QueueSpec DelayLevel(int level) => new(string.Create(CultureInfo.InvariantCulture, $"{prefix}.delay.{level:00}"), QueueKind.DelayLevel, level);

    /// <summary>The exchange where delayed messages leave the levels. Their destinations are bound to it.</summary>
    public string DelayOut => $"{prefix}.delay.out";

    /// <summary>
    /// The exchange for delayed messages whose destination is gone. Without it, one deleted queue would jam the delays
    /// of all queues (NServiceBus.RabbitMQ #1407).
    /// </summary>
    public string DelayLost => $"{prefix}.delay.lost";

    /// <summary>
    /// The exchange that gets the messages of a delay level after their time: that of the level below, or
    /// <see cref="DelayOut"/>.
    /// </summary>
    public string Below(int level) => level == 0 ? DelayOut : DelayLevel(level - 1).Name;
}
