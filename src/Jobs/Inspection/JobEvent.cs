using System.Buffers;

namespace Jobs.Inspection;

/// <summary>What an event tells of.</summary>
enum EventKind
{
    /// <summary>Something that the history does not know.</summary>
    Other,

    Sent,
    Received,
    Started,
    Succeeded,
    Failed,
    Retried,
    Rejected,
    Revoked,
    Cancelled,

    /// <summary>Another event of a job, such as its progress.</summary>
    Custom,

    WorkerOnline,
    WorkerHeartbeat,
    WorkerOffline,

    /// <summary>How many jobs a worker had so far.</summary>
    Counts,
}

/// <summary>The fields of an event that are texts.</summary>
enum EventText
{
    Type,
    Uuid,
    Hostname,
    Name,
    Queue,
    Args,
    Kwargs,
    Result,
    Exception,
    Traceback,
    RootId,
    ParentId,
    Eta,
    Expires,
    Software,
    SoftwareVersion,
    System,
    Version,
    TraceId,
}

/// <summary>The fields of an event that are numbers.</summary>
enum EventNumber
{
    Timestamp,
    Clock,
    Retries,
    Runtime,
    Pid,
    Freq,
    Active,
    Processed,
    Slots,
    Since,

    /// <summary>How far the sender is from UTC: Celery's events always say it, and those of Jobs never.</summary>
    UtcOffset,
}

/// <summary>How many jobs of a task and queue a worker had so far, or since the last telling.</summary>
readonly record struct CountsRead(string Task, string Queue)
{
    public long Received { get; init; }

    public long Started { get; init; }

    public long Succeeded { get; init; }

    public long Failed { get; init; }

    public long Retried { get; init; }

    public long Expired { get; init; }

    public long GivenBack { get; init; }

    /// <summary>How long all runs took together, in seconds.</summary>
    public double Runtime { get; init; }

    /// <summary>How long a job had waited, in seconds.</summary>
    public double? Wait { get; init; }

    public long Ended => Succeeded + Failed + Retried + Expired;

    /// <summary>What these totals have more than earlier ones of the same worker, task and queue.</summary>
    public CountsRead Beyond(in CountsRead before) => this with
    {
        Received = Math.Max(0, Received - before.Received),
        Started = Math.Max(0, Started - before.Started),
        Succeeded = Math.Max(0, Succeeded - before.Succeeded),
        Failed = Math.Max(0, Failed - before.Failed),
        Retried = Math.Max(0, Retried - before.Retried),
        Expired = Math.Max(0, Expired - before.Expired),
        GivenBack = Math.Max(0, GivenBack - before.GivenBack),
        Runtime = Math.Max(0, Runtime - before.Runtime),
    };
}

/// <summary>A job that a worker says it runs, and for how long.</summary>
readonly record struct RunRead(string Id, string? Task, string? Queue, double Seconds);

/// <summary>
/// One event in Celery's format (celery-protocol.md §9), with the fields that the history keeps. One object is used for
/// all events in turn, so reading an event allocates nothing.
/// </summary>
sealed class JobEvent
{
    const int MostLoads = 3;
    const int MostQueues = 100;
    const int MostRuns = 100;
    const int MostCounts = 1_000;

    readonly ArrayBufferWriter<byte> bytes = new(4096);
    readonly (int Start, int Length)[] texts = new (int, int)[Enum.GetValues<EventText>().Length];
    readonly double[] numbers = new double[Enum.GetValues<EventNumber>().Length];

    public EventKind Kind { get; set; }

    /// <summary>When it happened, in ticks; 0 when the event does not say it.</summary>
    public long At { get; set; }

    /// <summary>Of a revoked job: whether it had expired.</summary>
    public bool Expired { get; set; }

    /// <summary>Of a rejected job: whether it went back to its queue.</summary>
    public bool Requeue { get; set; }

    public List<double> LoadAverage { get; } = [];

    public List<string> Queues { get; } = [];

    /// <summary>The jobs that a worker runs; <see langword="null"/> when it does not say it.</summary>
    public List<RunRead>? Runs { get; private set; }

    /// <summary>The counts of a worker.</summary>
    public List<CountsRead> Counts { get; } = [];

    public bool IsOfJob => Kind is > EventKind.Other and < EventKind.WorkerOnline;

    public bool IsOfWorker => Kind is >= EventKind.WorkerOnline and <= EventKind.WorkerOffline;

    public void Clear()
    {
        bytes.ResetWrittenCount();
        Array.Clear(texts);
        Array.Fill(numbers, double.NaN);
        LoadAverage.Clear();
        Queues.Clear();
        Counts.Clear();
        Runs = null;
        (Kind, At, Expired, Requeue) = (EventKind.Other, 0, false, false);
    }

    /// <summary>The text of a field; empty when the event does not have it.</summary>
    public ReadOnlySpan<byte> this[EventText field] => bytes.WrittenSpan.Slice(texts[(int)field].Start, texts[(int)field].Length);

    /// <summary>Whether the event has the field, perhaps with an empty text.</summary>
    public bool Has(EventText field) => texts[(int)field].Start + texts[(int)field].Length > 0;

    /// <summary>A number; <see langword="null"/> when the event does not have it, or has something else there.</summary>
    public double? this[EventNumber field] => double.IsFinite(numbers[(int)field]) ? numbers[(int)field] : null;

    /// <summary>A whole number from 0 up.</summary>
    public long? Count(EventNumber field) => this[field] is { } number and >= 0 and < long.MaxValue / 2 ? (long)number : null;

    public void Set(EventNumber field, double value) => numbers[(int)field] = value;

    /// <summary>Room for a text, which <see cref="Took"/> then ends.</summary>
    public Span<byte> RoomFor(int length) => bytes.GetSpan(Math.Max(length, 1));

    public void Took(EventText field, int length)
    {
        texts[(int)field] = (bytes.WrittenCount, length);
        bytes.Advance(length);
    }

    public void AddLoad(double load)
    {
        if (LoadAverage.Count < MostLoads && double.IsFinite(load))
        {
            LoadAverage.Add(load);
        }
    }

    public void BeginRuns() => Runs = [];

    public void AddRun(in RunRead run)
    {
        if (Runs!.Count < MostRuns)
        {
            Runs.Add(run);
        }
    }

    public void AddCounts(in CountsRead counts)
    {
        if (Counts.Count < MostCounts)
        {
            Counts.Add(counts);
        }
    }

    public void AddQueue(string queue)
    {
        if (Queues.Count < MostQueues)
        {
            Queues.Add(queue);
        }
    }
}
