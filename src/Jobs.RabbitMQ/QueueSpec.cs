namespace Jobs.RabbitMQ;

/// <summary>A queue and its purpose. The purpose decides the arguments of the queue.</summary>
/// <param name="Name">The name of the queue.</param>
/// <param name="Kind">The purpose of the queue.</param>
/// <param name="Level">The number of a delay level.</param>
readonly record struct QueueSpec(string Name, QueueKind Kind, int Level = 0);

/// <summary>The purpose of a queue.</summary>
enum QueueKind
{
    /// <summary>Jobs that wait for a worker.</summary>
    Work,

    /// <summary>Jobs that wait for a worker, in a queue that Celery applications declare too.</summary>
    Shared,

    /// <summary>Jobs that are dead.</summary>
    DeadLetter,

    /// <summary>Suspects, which run one at a time.</summary>
    Quarantine,

    /// <summary>Records for one leading reader.</summary>
    Journal,

    /// <summary>Results for one process.</summary>
    Replies,

    /// <summary>Jobs that wait for one binary digit of their delay.</summary>
    DelayLevel,

    /// <summary>The history of events, a stream.</summary>
    History,
}
