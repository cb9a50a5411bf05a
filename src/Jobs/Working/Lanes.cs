namespace Jobs.Working;

/// <summary>
/// Attempts that wait for a slot, and slots that wait for an attempt. Each queue has a lane, and slots take from the
/// lanes in turn, so that no queue holds up another.
/// </summary>
/// <remarks>
/// A lane may have a limit (<see cref="WorkerOptions.QueueConcurrency"/>). A lane at its limit has no turn until one of
/// its attempts has ended. While any lane has a turn, no slot is free.
/// </remarks>
sealed class Lanes
{
    readonly Lock gate = new();
    readonly Dictionary<string, Lane> lanes = new(StringComparer.Ordinal);
    readonly Queue<Lane> turns = new(); // lanes with an attempt to take, in turn
    readonly Stack<WorkerSlot> free; // the slot that became free last is taken first: its memory is warm
    readonly bool hasLimits;
    bool closed;

    /// <param name="slots">All slots of the worker.</param>
    /// <param name="limits">
    /// How many attempts of a queue may run at once, for queues that may not take all slots.
    /// </param>
    public Lanes(IEnumerable<WorkerSlot> slots, IEnumerable<KeyValuePair<string, int>>? limits = null)
    {
        free = new(slots);
        foreach (var (queue, limit) in limits ?? [])
        {
            lanes[queue] = new(limit);
            hasLimits = true;
        }
    }

    /// <summary>
    /// How many attempts wait for a slot. Attempts in a lane at its limit are not counted: these wait for their own
    /// queue.
    /// </summary>
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
    /// <param name="attempt">The attempt.</param>
    /// <param name="slot">
    /// The slot that shall run the attempt now, or <see langword="null"/> when the attempt has to wait.
    /// </param>
    /// <returns><see langword="false"/> when the lanes are closed: the attempt was not added.</returns>
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

    /// <summary>Gives the slot its next attempt, or takes the slot back.</summary>
    /// <param name="slot">The slot.</param>
    /// <param name="ended">The attempt that the slot has run.</param>
    /// <returns>The attempt that the slot shall run next, or <see langword="null"/>: then the slot is free.</returns>
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

    /// <summary>Returns all attempts that wait, and takes no more.</summary>
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

        /// <summary>How many attempts of the lane run. Counted only when some lane has a limit.</summary>
        public int Running { get; set; }

        public bool HasTurn { get; set; }

        public bool HasRoom => Running < limit;
    }
}
