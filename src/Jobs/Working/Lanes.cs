namespace Jobs.Working;

/// <summary>
/// Attempts that wait for a slot, and slots that wait for an attempt. Each queue has a lane, and slots take from the lanes in
/// turn, so that no queue holds up another.
/// </summary>
/// <remarks>
/// A lane may have a limit (<see cref="WorkerOptions.QueueConcurrency"/>). One that is at its limit has no turn until one of
/// its attempts has ended. While any lane has a turn, no slot is free.
/// </remarks>
sealed class Lanes
{
    readonly Lock gate = new();
    readonly Dictionary<string, Lane> lanes = new(StringComparer.Ordinal);
    readonly Queue<Lane> turns = new(); // the lanes from which an attempt may be taken
    readonly Stack<WorkerSlot> free; // the last to become free is the first to be taken: its memory is warm
    readonly bool hasLimits;
    bool closed;

    /// <param name="slots">All slots of the worker.</param>
    /// <param name="limits">How many attempts of a queue may run at once, where not all slots may.</param>
    public Lanes(IEnumerable<WorkerSlot> slots, IEnumerable<KeyValuePair<string, int>>? limits = null)
    {
        free = new(slots);
        foreach (var (queue, limit) in limits ?? [])
        {
            lanes[queue] = new(limit);
            hasLimits = true;
        }
    }

    /// <summary>Attempts that wait for a slot, and not for another attempt of their own queue to end.</summary>
    public int Waiting
    {
        get
        {
            lock (gate)
            {
                return turns.Sum(lane => lane.Attempts.Count);
            }
        }
    }

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

            if (!hasLimits && free.TryPop(out slot))
            {
                return true;
            }

            var lane = LaneOf(attempt);
            if (lane.HasRoom && free.TryPop(out slot))
            {
                lane.Running++;
                return true;
            }

            lane.Attempts.Enqueue(attempt);
            GiveTurn(lane);
            return true;
        }
    }

    /// <summary>The slot has nothing to do.</summary>
    /// <param name="slot">The slot.</param>
    /// <param name="ended">What it has run.</param>
    /// <returns>What it shall run next, or <see langword="null"/>: then it is free.</returns>
    public Attempt? Next(WorkerSlot slot, Attempt ended)
    {
        lock (gate)
        {
            if (hasLimits)
            {
                var lane = LaneOf(ended);
                lane.Running--;
                GiveTurn(lane);
            }

            if (turns.TryDequeue(out var next))
            {
                next.HasTurn = false;
                next.Running += hasLimits ? 1 : 0;
                var attempt = next.Attempts.Dequeue();
                GiveTurn(next);
                return attempt;
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
            var all = lanes.Values.SelectMany(lane => lane.Attempts).ToList();
            foreach (var lane in lanes.Values)
            {
                lane.Attempts.Clear();
                lane.HasTurn = false;
            }

            turns.Clear();
            return all;
        }
    }

    Lane LaneOf(Attempt attempt)
    {
        var queue = attempt.Delivery.Queue;
        if (!lanes.TryGetValue(queue, out var lane))
        {
            lanes[queue] = lane = new(int.MaxValue);
        }

        return lane;
    }

    void GiveTurn(Lane lane)
    {
        if (!lane.HasTurn && lane.HasRoom && lane.Attempts.Count > 0)
        {
            lane.HasTurn = true;
            turns.Enqueue(lane);
        }
    }

    sealed class Lane(int limit)
    {
        public Queue<Attempt> Attempts { get; } = new();

        /// <summary>Counted only where some lane has a limit.</summary>
        public int Running { get; set; }

        public bool HasTurn { get; set; }

        public bool HasRoom => Running < limit;
    }
}
