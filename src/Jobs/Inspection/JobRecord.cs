namespace Jobs.Inspection;

/// <summary>What the index keeps of a job. Times are ticks, and 0 when not known.</summary>
sealed class JobRecord(JobKey key, long sequence)
{
    // An object with its texts and its place in the tables of the index, as measured.
    const int OwnBytes = 470;

    public JobKey Key => key;

    /// <summary>Its place in the order in which the jobs were first heard of.</summary>
    public long Sequence => sequence;

    public string? Task { get; set; }

    public string? Queue { get; set; }

    public string? Worker { get; set; }

    public byte[]? Args { get; set; }

    public byte[]? Kwargs { get; set; }

    public byte[]? Result { get; set; }

    /// <summary>Its relatives; most jobs have none.</summary>
    public (JobKey Root, JobKey Parent)? Kin { get; set; }

    /// <summary>The W3C trace of the job's message; 0 for none.</summary>
    public UInt128 TraceId { get; set; }

    public long SentAt { get; set; }

    public long FirstAt { get; set; }

    public long LastAt { get; set; }

    public long Eta { get; set; }

    public long Expires { get; set; }

    public int Retries { get; set; }

    public JobState State { get; set; }

    /// <summary>How much the state weighs; see <see cref="JobMerge"/>.</summary>
    public byte Rank { get; set; }

    public long StateAt { get; set; }

    public long StateClock { get; set; }

    /// <summary>Which worker said the state: its clock counts only against itself.</summary>
    public string? StateWorker { get; set; }

    /// <summary>The attempts by time, the oldest first.</summary>
    public AttemptRecord[] Attempts { get; set; } = [];

    /// <summary>How many attempts are known that are not kept.</summary>
    public int AttemptsLeftOut { get; set; }

    /// <summary>About how much memory it takes.</summary>
    public int Bytes => OwnBytes + Length(Args) + Length(Kwargs) + Length(Result) + (key.Text?.Length * 2 ?? 0) + (Kin is null ? 0 : 64)
        + Attempts.Length * 64 + (Attempts is [.., { Failure: { } failure }] ? failure.Bytes / 4 : 0); // failures are shared

    public bool HasEnded => State >= JobState.Succeeded;

    static int Length(byte[]? text) => text is null ? 0 : text.Length + 24;
}

/// <summary>What the index keeps of an attempt.</summary>
struct AttemptRecord
{
    public string? Worker;
    public JobFailure? Failure;
    public long Received;
    public long Started;
    public long Ended;
    public float Runtime; // seconds; NaN when not known
    public int Retry; // -1 when not known
    public JobState State;

    public readonly long At => Received != 0 ? Received : Started != 0 ? Started : Ended;
}
