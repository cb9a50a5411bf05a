namespace Jobs.Working;

/// <summary>A worker's place to run one job. A free slot costs nothing: no .NET task waits in it.</summary>
/// <param name="run">Runs the first attempt, and then attempts that wait, until none waits.</param>
sealed class WorkerSlot(Func<WorkerSlot, Attempt, Task> run) : IThreadPoolWorkItem
{
    Attempt? current;
    long taken;
    long takenAt;

    /// <summary>The attempt that runs in the slot now. Other threads list it and tell it to end.</summary>
    public Attempt? Current => Volatile.Read(ref current);

    /// <summary>
    /// The attempt that runs in the slot now, and when the slot took it in ticks; <see langword="null"/> for none.
    /// </summary>
    public (Attempt Attempt, long At)? Run
    {
        get
        {
            var (attempt, at) = (Current, Volatile.Read(ref takenAt));
            return attempt is not null && attempt == Current ? (attempt, at) : null;
        }
    }

    /// <summary>How many jobs the slot has taken.</summary>
    public long Taken => Volatile.Read(ref taken);

    /// <summary>Runs the attempt on the thread pool; the time is exact to a second.</summary>
    public void Start(Attempt attempt, long now)
    {
        Volatile.Write(ref takenAt, now);
        Volatile.Write(ref current, attempt);
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    /// <summary>
    /// The slot takes an attempt, at about that time. Only the slot's own run calls this, so that counting needs no lock.
    /// </summary>
    public void Take(Attempt attempt, long now)
    {
        Volatile.Write(ref takenAt, now);
        // A full fence: either Interrupt sees the attempt, or the slot sees the interruption.
        Interlocked.Exchange(ref current, attempt);
        Volatile.Write(ref taken, taken + 1);
    }

    public void Done() => Volatile.Write(ref current, null);

    void IThreadPoolWorkItem.Execute() => _ = run(this, Current!);
}
