using System.Globalization;
using System.Text;

namespace Jobs.RabbitMQ;

/// <summary>Every broker-side name and argument, in one place.</summary>
sealed class BrokerNames(string prefix, string deadLetterQueue)
{
    /// <summary>2^0 to 2^27 seconds: together any delay up to 8.5 years.</summary>
    public const int DelayLevels = 28;

    public string DeadLetterQueue => deadLetterQueue;

    /// <summary>Where suspects run one at a time; see <see cref="Consumer"/>.</summary>
    public string Quarantine(string queue) => $"{prefix}.quarantine.{queue}";

    /// <summary>The queue of a journal.</summary>
    public string Journal(string name) => $"{prefix}.journal.{name}";

    public bool IsJournal(string queue) => queue.StartsWith(Journal(""), StringComparison.Ordinal);

    /// <summary>Exchange and queue of a delay level share their name.</summary>
    public string DelayLevel(int level) => string.Create(CultureInfo.InvariantCulture, $"{prefix}.delay.{level:00}");

    /// <summary>Where delayed messages come out; destinations are bound to it.</summary>
    public string DelayOut => $"{prefix}.delay.out";

    /// <summary>Where they go when their destination is gone, so that one deleted queue does not jam the delays of all (NServiceBus.RabbitMQ #1407).</summary>
    public string DelayLost => $"{prefix}.delay.lost";

    /// <summary>The whole seconds a delay takes; never less than asked, but for what exceeds all levels (the worker delays the rest of it again).</summary>
    public static int DelaySeconds(TimeSpan delay) => (int)Math.Clamp(Math.Ceiling(delay.TotalSeconds - 0.001), 1, (1 << DelayLevels) - 1);

    /// <summary>28 bits, most significant first, then the destination: each level's bindings look at their bit only.</summary>
    public static string DelayKey(int seconds, string queue)
    {
        var key = new StringBuilder(DelayLevels * 2 + queue.Length);
        for (var level = DelayLevels - 1; level >= 0; level--)
        {
            key.Append((seconds >> level & 1) == 1 ? "1." : "0.");
        }

        return key.Append(queue).ToString();
    }

    /// <summary>Matches keys whose bit of that level is set or not.</summary>
    public static string DelayBitPattern(int level, bool set) =>
        string.Concat(Enumerable.Repeat("*.", DelayLevels - 1 - level)) + (set ? "1.#" : "0.#");

    /// <summary>Matches keys of exactly this destination: with <c>#.b</c> a message for the queue <c>a.b</c> would arrive in <c>b</c> too.</summary>
    public static string DelayDestinationPattern(string queue) => string.Concat(Enumerable.Repeat("*.", DelayLevels)) + queue;

    /// <summary>The first level that a delay waits in: its highest bit.</summary>
    public static int HighestLevel(int seconds) => 31 - int.LeadingZeroCount(seconds);

    // Only arguments with the same effect on 3.10 and 4.x. Arguments can never be changed; what depends on the version belongs into policies.
    public Dictionary<string, object?> QueueArguments() => new()
    {
        ["x-queue-type"] = "quorum",
        ["x-overflow"] = "reject-publish",
        ["x-dead-letter-strategy"] = "at-least-once",
        ["x-dead-letter-exchange"] = "",
        ["x-dead-letter-routing-key"] = deadLetterQueue,
    };

    // 4.0 drops a message after 20 returns where there is no dead-letter exchange; a finite limit is safe on both, -1 is not (3.10 drops on the first).
    public static Dictionary<string, object?> DeadLetterArguments() => new()
    {
        ["x-queue-type"] = "quorum",
        ["x-overflow"] = "reject-publish",
        ["x-delivery-limit"] = 1_000_000,
    };

    // As there: each change of leader returns all messages, and what exceeds the limit of deliveries would be dropped.
    public static Dictionary<string, object?> JournalArguments() => new(DeadLetterArguments()) { ["x-single-active-consumer"] = true };

    public Dictionary<string, object?> DelayArguments(int level) => new()
    {
        ["x-queue-type"] = "quorum",
        ["x-overflow"] = "reject-publish",
        ["x-dead-letter-strategy"] = "at-least-once",
        ["x-dead-letter-exchange"] = level == 0 ? DelayOut : DelayLevel(level - 1),
        ["x-message-ttl"] = 1000L << level,
    };
}
