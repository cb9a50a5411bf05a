namespace Jobs.RabbitMQ;

/// <summary>A queue and what it is for, which decides its arguments.</summary>
/// <param name="Name">The queue.</param>
/// <param name="Kind">What it is for.</param>
/// <param name="Level">Of a delay level: which one.</param>
readonly record struct QueueSpec(string Name, QueueKind Kind, int Level = 0);

/// <summary>What a queue is for.</summary>
enum QueueKind
{
    /// <summary>Jobs that wait for a worker.</summary>
    Work,

    /// <summary>Jobs that are dead.</summary>
    DeadLetter,

    /// <summary>Suspects, which run one at a time.</summary>
    Quarantine,

    /// <summary>Records for one leading reader.</summary>
    Journal,

    /// <summary>Jobs that wait for one binary digit of their delay.</summary>
    DelayLevel,
}
