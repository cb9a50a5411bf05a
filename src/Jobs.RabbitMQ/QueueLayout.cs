using System.Globalization;

namespace Jobs.RabbitMQ;

/// <summary>Every broker-side name, in one place.</summary>
sealed class QueueLayout(string prefix, string deadLetterQueue)
{
    readonly string[] ours = [$"{prefix}.delay.", $"{prefix}.journal.", $"{prefix}.quarantine."];

    public QueueSpec DeadLetters { get; } = new(deadLetterQueue, QueueKind.DeadLetter);

    /// <summary>Where suspects run one at a time; see <see cref="RabbitMQ.Quarantine"/>.</summary>
    public QueueSpec Quarantine(string queue) => new($"{prefix}.quarantine.{queue}", QueueKind.Quarantine);

    /// <summary>The queue of a journal.</summary>
    public QueueSpec Journal(string name) => new($"{prefix}.journal.{name}", QueueKind.Journal);

    /// <summary>Why no job goes to a queue of that name, if so.</summary>
    public string? Problem(string queue) =>
        Array.Find(ours, own => queue.StartsWith(own, StringComparison.Ordinal)) is { } own
            ? $"names that begin with '{own}' are Jobs' own (RabbitMqOptions.Prefix)"
        : queue.AsSpan().ContainsAny('*', '#') && queue.Split('.').Any(word => word is "*" or "#")
            ? "a word '*' or '#' would match other queues' delayed jobs too"
        : null;

    /// <summary>Exchange and queue of a delay level share their name.</summary>
    public QueueSpec DelayLevel(int level) => new(string.Create(CultureInfo.InvariantCulture, $"{prefix}.delay.{level:00}"), QueueKind.DelayLevel, level);

    /// <summary>Where delayed messages come out; destinations are bound to it.</summary>
    public string DelayOut => $"{prefix}.delay.out";

    /// <summary>Where they go when their destination is gone, so that one deleted queue does not jam the delays of all (NServiceBus.RabbitMQ #1407).</summary>
    public string DelayLost => $"{prefix}.delay.lost";

    /// <summary>Where the messages of a delay level go when its time is over: the exchange of the level below, or the way out.</summary>
    public string Below(int level) => level == 0 ? DelayOut : DelayLevel(level - 1).Name;
}
