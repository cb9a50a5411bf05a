using System.Collections.Concurrent;

namespace Jobs.Events;

/// <summary>How many jobs of each task and queue have begun and ended since the worker began.</summary>
/// <remarks>
/// Totals, and not what is new since the last event: an event that is lost makes no later figure wrong. There are as
/// many entries as there are tasks in this program, because all tasks that it does not know share a name.
/// </remarks>
sealed class TaskCounts
{
    readonly ConcurrentDictionary<(string Task, string Queue), TaskCount> all = new();
    TaskCount? last;

    public TaskCount Of(string task, string queue)
    {
        // Jobs of one task come in rows, and the texts of task and queue are the same objects for each of them.
        var count = Volatile.Read(ref last);
        if (count is not null && ReferenceEquals(count.Task, task) && ReferenceEquals(count.Queue, queue))
        {
            return count;
        }

        count = all.GetOrAdd((task, queue), static key => new(key.Task, key.Queue));
        Volatile.Write(ref last, count);
        return count;
    }

    /// <summary>The entries that nobody was told of since they changed. Called by one thread at a time.</summary>
    /// <param name="everything">Whether to take the others too: for a viewer that has just come.</param>
    public List<TaskCount> Untold(bool everything)
    {
        var found = new List<TaskCount>();
        foreach (var (_, count) in all)
        {
            if (count.HasChanged() || everything)
            {
                found.Add(count);
            }
        }

        return found;
    }
}

/// <summary>The counts of one task and queue. Any number of threads add to them.</summary>
sealed class TaskCount(string task, string queue)
{
    long received;
    long started;
    long succeeded;
    long failed;
    long retried;
    long expired;
    long givenBack;
    long runtime;
    long told;
    long wait = -1; // how long a job had waited, in ticks; -1 for nobody knows
    volatile bool wantsWait = true;

    public string Task => task;

    public string Queue => queue;

    public long Received => Interlocked.Read(ref received);

    public long Started => Interlocked.Read(ref started);

    public long Succeeded => Interlocked.Read(ref succeeded);

    public long Failed => Interlocked.Read(ref failed);

    public long Retried => Interlocked.Read(ref retried);

    public long Expired => Interlocked.Read(ref expired);

    public long GivenBack => Interlocked.Read(ref givenBack);

    /// <summary>How long all runs took together, those that failed too.</summary>
    public TimeSpan Runtime => new(Interlocked.Read(ref runtime));

    /// <summary>How long a job had waited that was received since the last telling; <see langword="null"/> for none.</summary>
    public TimeSpan? Wait => Interlocked.Read(ref wait) is >= 0 and var ticks ? new(ticks) : null;

    /// <summary>
    /// Whether nobody has said since the last telling how long a job had waited. One job in a second is enough, because
    /// finding it out costs more than counting.
    /// </summary>
    public bool WantsWait => wantsWait;

    public void Waited(TimeSpan time)
    {
        Interlocked.Exchange(ref wait, Math.Max(0, time.Ticks));
        wantsWait = false;
    }

    /// <summary>Somebody was told: the next job shall say how long it had waited.</summary>
    public void Told()
    {
        Interlocked.Exchange(ref wait, -1);
        wantsWait = true;
    }

    public void AddReceived() => Interlocked.Increment(ref received);

    public void AddStarted() => Interlocked.Increment(ref started);

    public void AddRuntime(TimeSpan time) => Interlocked.Add(ref runtime, time.Ticks);

    public void AddSucceeded() => Interlocked.Increment(ref succeeded);

    public void AddFailed() => Interlocked.Increment(ref failed);

    public void AddRetried() => Interlocked.Increment(ref retried);

    public void AddExpired() => Interlocked.Increment(ref expired);

    public void AddGivenBack() => Interlocked.Increment(ref givenBack);

    /// <summary>Whether anything has changed since the last call.</summary>
    public bool HasChanged()
    {
        var sum = Received + Started + Succeeded + Failed + Retried + Expired + GivenBack;
        var changed = sum != told;
        told = sum;
        return changed;
    }
}
