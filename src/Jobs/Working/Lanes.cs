namespace Jobs.Working;

/// <summary>
/// Attempts that wait for a slot, and slots that wait for an attempt; never both. Each queue has a lane, and slots take
/// from the lanes in turn, so that no queue holds up another.
/// </summary>
sealed class Lanes
{
    readonly Lock gate = new();
    readonly Dictionary<string, Queue<Attempt>> lanes = new(StringComparer.Ordinal);
    readonly Queue<Queue<Attempt>> turns = new(); // the lanes that are not empty
    readonly Stack<WorkerSlot> free; // the last to become free is the first to be taken: its memory is warm
    int waiting;
    bool closed;

    public Lanes(IEnumerable<WorkerSlot> slots) => free = new(slots);

    /// <summary>Attempts that wait for a slot.</summary>
    public int Waiting => Volatile.Read(ref waiting);

    /// <summary>Adds an attempt.</summary>
    /// <param name="attempt">What shall run.</param>
    /// <param name="slot">The slot that shall run it now, or <see langword="null"/> when it has to wait.</param>
    /// <returns><see langword="false"/> once the lanes are closed: the attempt was not added.</returns>
    public bool TryAdd(Attempt attempt, out WorkerSlot? slot)
    {
        lock (gate)
        {
            slot = null;
            if (closed)
            {
                return false;
            }

            if (free.TryPop(out slot))
            {
                return true;
            }

            if (!lanes.TryGetValue(attempt.Delivery.Queue, out var lane))
            {
                lanes[attempt.Delivery.Queue] = lane = new();
            }

            if (lane.Count == 0)
            {
                turns.Enqueue(lane);
            }

            lane.Enqueue(attempt);
            waiting++;
            return true;
        }
    }

    /// <summary>The slot has nothing to do.</summary>
    /// <returns>What it shall run next, or <see langword="null"/>: then it is free.</returns>
    public Attempt? Next(WorkerSlot slot)
    {
        lock (gate)
        {
            if (Take() is { } next)
            {
                return next;
            }

            free.Push(slot);
            return null;
        }
    }

    /// <summary>Takes out everything that waits, and takes nothing more.</summary>
    public IReadOnlyList<Attempt> Close()
    {
        lock (gate)
        {
            closed = true;
            var all = new List<Attempt>(waiting);
            while (Take() is { } attempt)
            {
                all.Add(attempt);
            }

            return all;
        }
    }

    Attempt? Take()
    {
        if (!turns.TryDequeue(out var lane))
        {
            return null;
        }

        var attempt = lane.Dequeue();
        waiting--;
        if (lane.Count > 0)
        {
            turns.Enqueue(lane);
        }

        return attempt;
    }
}
