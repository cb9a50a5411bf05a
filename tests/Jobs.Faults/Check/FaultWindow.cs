namespace Jobs.Faults.Check;

/// <summary>One fault that was inflicted: from its begin until it was mended. What happens up to the begin of the next one is put down to it.</summary>
/// <param name="Name">Which fault.</param>
/// <param name="Begin">In <see cref="System.Diagnostics.Stopwatch"/> ticks.</param>
/// <param name="Mended">When it was undone, the cluster not necessarily well yet.</param>
/// <param name="InFlight">Calls of <c>EnqueueAsync</c> that had not returned when it began.</param>
/// <param name="Problem">What did not go as it has to, or <see langword="null"/>.</param>
sealed record FaultWindow(string Name, long Begin, long Mended, int InFlight, string? Problem);

/// <summary>What one <see cref="FaultWindow"/> has done.</summary>
sealed record FaultEffect(FaultWindow Fault)
{
    /// <summary>Jobs confirmed from its begin to the begin of the next one.</summary>
    public long Confirmed { get; set; }

    /// <summary>Of those, jobs that never ran to their end.</summary>
    public long Lost { get; set; }

    /// <summary>Distinct jobs of which an attempt was started again.</summary>
    public long DuplicatedJobs { get; set; }

    /// <summary>Calls that ended without knowing.</summary>
    public long Unknown { get; set; }

    /// <summary>Calls that ended with the word that the job is not enqueued.</summary>
    public long NotEnqueued { get; set; }

    /// <summary>Consumers that were started anew, each of which stands for one that was lost with what it had in hand.</summary>
    public long Resubscribed { get; set; }

    /// <summary>Publishes that were sent again, as logged.</summary>
    public long Republished { get; set; }

    /// <summary>What <see cref="DuplicatedJobs"/> may be.</summary>
    public long Bound { get; set; }

    public double PublishGap { get; set; }

    public double ConsumeGap { get; set; }

    public double PublishBack { get; set; }

    public double ConsumeBack { get; set; }

    /// <summary>Seconds from its begin until a process became the keeper; <see langword="null"/> when none did.</summary>
    public double? KeeperBack { get; set; }

    public double RateBefore { get; set; }

    public double RateDuring { get; set; }
}
