namespace Jobs;

/// <summary>What workers tell of jobs, as events in Celery's format.</summary>
public enum EventLevel
{
    /// <summary>Nothing: this process sends no events, and no viewer shows it.</summary>
    Off,

    /// <summary>
    /// Each job that failed, is retried, expired or is dead, and from then on each of its steps, so that it does not look
    /// failed for ever; likewise a job that a person has enqueued (<see cref="JobControl.EnqueueAsync"/>) or sent back.
    /// Each second how many jobs of each task began and ended; and that the worker lives. While a viewer asks for it,
    /// everything.
    /// </summary>
    Default,

    /// <summary>Each job that is received, begins, and ends, too. Celery calls this <c>-E</c>.</summary>
    All,
}
