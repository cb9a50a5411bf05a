using Jobs.Faults.Logs;

namespace Jobs.Faults.Check;

/// <summary>What the logs say.</summary>
sealed class CheckResult
{
    public required IReadOnlyList<FaultEffect> Effects { get; init; }

    public long Attempted { get; set; }

    public long Confirmed { get; set; }

    public long NotEnqueued { get; set; }

    public long Unknown { get; set; }

    /// <summary>Of those whose outcome was unknown.</summary>
    public long UnknownExecuted { get; set; }

    /// <summary>Jobs that came to their end at least once.</summary>
    public long Executed { get; set; }

    public long Starts { get; set; }

    public long Interrupted { get; set; }

    public long Lost { get; set; }

    /// <summary>Of the queue that was purged and deleted.</summary>
    public long LostOnPurpose { get; set; }

    public long Ghosts { get; set; }

    /// <summary>"Certainly not enqueued", and it ran: a broken promise.</summary>
    public long DeniedButExecuted { get; set; }

    /// <summary>Jobs.</summary>
    public long Duplicated { get; set; }

    /// <summary>Starts beyond the first of an attempt.</summary>
    public long DuplicateStarts { get; set; }

    /// <summary>Of those, before the first fault.</summary>
    public long DuplicatesWithoutFault { get; set; }

    public long Republished { get; set; }

    public long Dead { get; set; }

    public LetterResult Letters { get; set; } = new();

    /// <summary>Runs per second, over the time in which there were producers.</summary>
    public double Throughput { get; set; }

    public List<string> LostExamples { get; } = [];

    public List<string> GhostExamples { get; } = [];

    public List<LogRecord> Memory { get; } = [];

    public long OverBound => Effects.Count(effect => effect.DuplicatedJobs > effect.Bound);
}
