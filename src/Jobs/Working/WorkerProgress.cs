using Jobs.Transport;

namespace Jobs.Working;

/// <summary>What a worker is doing: written by its slots, each its own part, and read by the health checks.</summary>
sealed class WorkerProgress
{
    WorkerSlot[] slots = [];
    JobSubscription? subscription;
    bool stopping;

    /// <summary>Where its deliveries come from; <see langword="null"/> until it has started.</summary>
    public JobSubscription? Subscription => Volatile.Read(ref subscription);

    public bool IsStopping => Volatile.Read(ref stopping);

    public int Slots => Volatile.Read(ref slots).Length;

    /// <summary>Slots whose loop has not ended.</summary>
    public int Alive => Volatile.Read(ref slots).Count(s => !s.HasEnded);

    /// <summary>Slots that have a delivery in hand.</summary>
    public int Busy => Volatile.Read(ref slots).Count(s => s.IsBusy);

    /// <summary>Deliveries taken so far.</summary>
    public long Taken => Volatile.Read(ref slots).Sum(s => s.Taken);

    public WorkerSlot[] Start(JobSubscription from, int concurrency)
    {
        var started = new WorkerSlot[concurrency];
        for (var i = 0; i < started.Length; i++)
        {
            started[i] = new();
        }

        Volatile.Write(ref slots, started);
        Volatile.Write(ref subscription, from);
        return started;
    }

    public void Stopping() => Volatile.Write(ref stopping, true);
}

/// <summary>One of a worker's slots. Only its own loop writes to it, so that counting costs no lock.</summary>
sealed class WorkerSlot
{
    long taken;
    bool busy;
    bool ended;

    public long Taken => Volatile.Read(ref taken);

    public bool IsBusy => Volatile.Read(ref busy);

    public bool HasEnded => Volatile.Read(ref ended);

    public void Take()
    {
        Volatile.Write(ref busy, true);
        Volatile.Write(ref taken, taken + 1);
    }

    public void Done() => Volatile.Write(ref busy, false);

    public void End() => Volatile.Write(ref ended, true);
}
