using Jobs.Transport;

namespace Jobs.Working;

/// <summary>
/// What a worker is doing: its slots, and the attempts that wait for them. The health checks read this.
/// </summary>
sealed class WorkerProgress
{
    WorkerSlot[] slots = [];
    JobSubscription? subscription;
    bool readerEnded;
    bool stopping;
    long now;

    /// <summary>Where the deliveries come from; <see langword="null"/> until the worker has started.</summary>
    public JobSubscription? Subscription => Volatile.Read(ref subscription);

    public IReadOnlyList<WorkerSlot> Slots => Volatile.Read(ref slots);

    /// <summary>The attempts that wait for a slot.</summary>
    public Lanes Lanes { get; private set; } = new([]);

    public bool IsStopping => Volatile.Read(ref stopping);

    /// <summary>The worker takes no more deliveries, although nobody stopped it.</summary>
    public bool HasReaderEnded => Volatile.Read(ref readerEnded);

    /// <summary>
    /// The time in ticks, as events have last read the clock: exact to a second, which costs a job nothing.
    /// </summary>
    public long Now
    {
        get => Volatile.Read(ref now);
        set => Volatile.Write(ref now, value);
    }

    /// <summary>How many slots run a job.</summary>
    public int Busy => Slots.Count(s => s.Current is not null);

    /// <summary>How many jobs slots have taken so far.</summary>
    public long Taken => Slots.Sum(s => s.Taken);

    /// <param name="from">Where deliveries come from.</param>
    /// <param name="options">How many slots there are, and how many slots a queue may take.</param>
    /// <param name="run">Runs a slot, beginning with an attempt.</param>
    public void Start(JobSubscription from, WorkerOptions options, Func<WorkerSlot, Attempt, Task> run)
    {
        var made = new WorkerSlot[options.Concurrency];
        for (var i = 0; i < made.Length; i++)
        {
            made[i] = new(run);
        }

        Lanes = new(made, options.QueueConcurrency);
        Volatile.Write(ref slots, made);
        Volatile.Write(ref subscription, from);
    }

    public void ReaderEnded() => Volatile.Write(ref readerEnded, true);

    public void Stopping() => Volatile.Write(ref stopping, true);
}
