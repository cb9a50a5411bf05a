namespace Jobs.Working;

/// <summary>A worker's place to run one job. One that is free costs nothing: no task waits in it.</summary>
/// <param name="run">Runs the attempt that it is started with, and those that wait, until none does.</param>
sealed class WorkerSlot(Func<WorkerSlot, Attempt, Task> run) : IThreadPoolWorkItem
{
    Attempt? current;
    long taken;

    /// <summary>What runs in it now: listed, and told to end, from outside.</summary>
    public Attempt? Current => Volatile.Read(ref current);

    /// <summary>How many jobs it has taken.</summary>
    public long Taken => Volatile.Read(ref taken);

    /// <summary>Runs the attempt on the thread pool.</summary>
    public void Start(Attempt attempt)
    {
        Volatile.Write(ref current, attempt);
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    /// <summary>Only the slot's own run writes here, so that counting costs no lock.</summary>
    public void Take(Attempt attempt)
    {
        Interlocked.Exchange(ref current, attempt); // a full fence: whoever interrupts sees the attempt, or the slot sees the interruption
        Volatile.Write(ref taken, taken + 1);
    }

    public void Done() => Volatile.Write(ref current, null);

    void IThreadPoolWorkItem.Execute() => _ = run(this, Current!);
}
