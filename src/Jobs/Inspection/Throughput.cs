namespace Jobs.Inspection;

/// <summary>
/// What workers did in each minute of the last hour, by task and queue. All methods may be called by any thread.
/// </summary>
/// <remarks>
/// Workers of Jobs tell their counts, and tell failures one by one as well; so of them only the counts are taken. Other
/// workers tell no counts, so their events are counted one by one.
/// </remarks>
sealed class Throughput
{
    /// <summary>How many minutes are kept.</summary>
    public const int Minutes = 60;

    /// <summary>How many tasks with their queues are kept.</summary>
    public const int MostTasks = 1_000;

    readonly Lock gate = new();
    readonly Dictionary<(string Task, string Queue), Cell[]> tasks = [];
    long sweptAt;

    /// <summary>Takes what a worker of Jobs has newly done; see <see cref="CountDeltas"/>.</summary>
    /// <param name="news">What is new.</param>
    /// <param name="at">When the worker told it, in ticks.</param>
    /// <param name="now">The time, in ticks.</param>
    public void Add(in CountsRead news, long at, long now)
    {
        if (news is { Started: 0, Ended: 0, Runtime: 0 } || !IsWithin(ref at, now))
        {
            return;
        }

        lock (gate)
        {
            if (CellOf(news.Task, news.Queue, at) is var cells and not null)
            {
                ref var cell = ref cells[at % Minutes];
                cell.Started += news.Started;
                cell.Succeeded += news.Succeeded;
                cell.Failed += news.Failed;
                cell.Retried += news.Retried;
                cell.Expired += news.Expired;
                cell.Runtime += news.Runtime;
            }
        }
    }

    /// <summary>Counts an event of a job that another worker than one of Jobs has.</summary>
    /// <param name="news">The event.</param>
    /// <param name="task">The job's task.</param>
    /// <param name="queue">Its queue; <see langword="null"/> when no event said it.</param>
    /// <param name="now">The time, in ticks.</param>
    public void Add(JobEvent news, string task, string? queue, long now)
    {
        var at = news.At;
        if (!IsCounted(news) || !IsWithin(ref at, now))
        {
            return;
        }

        lock (gate)
        {
            if (CellOf(task, queue ?? "", at) is var cells and not null)
            {
                ref var cell = ref cells[at % Minutes];
                switch (news.Kind)
                {
                    case EventKind.Started:
                        cell.Started++;
                        break;
                    case EventKind.Succeeded:
                        cell.Succeeded++;
                        cell.Runtime += news[EventNumber.Runtime] is { } runtime and > 0 and < MostSeconds ? runtime : 0;
                        break;
                    case EventKind.Failed:
                        cell.Failed++;
                        break;
                    case EventKind.Retried:
                        cell.Retried++;
                        break;
                    default:
                        cell.Expired++;
                        break;
                }
            }
        }
    }

    /// <summary>The last hour.</summary>
    /// <param name="now">The time, in ticks.</param>
    public ThroughputInfo Read(long now)
    {
        var from = now / TimeSpan.TicksPerMinute - Minutes + 1;
        var found = new List<TaskThroughput>();
        lock (gate)
        {
            foreach (var ((task, queue), cells) in tasks)
            {
                if (Array.Exists(cells, cell => cell.Minute >= from))
                {
                    found.Add(new() { Task = task, Queue = queue, Minutes = [.. Enumerable.Range(0, Minutes).Select(i => Of(cells, from + i))] });
                }
            }
        }

        return new()
        {
            Tasks = [.. found.OrderBy(one => one.Task, StringComparer.Ordinal).ThenBy(one => one.Queue, StringComparer.Ordinal)],
            From = new(from * TimeSpan.TicksPerMinute, TimeSpan.Zero),
        };
    }

    // Longer than any run, and small enough that the sum of many is a time.
    const double MostSeconds = 1e9;

    static bool IsCounted(JobEvent news) => news.Kind is EventKind.Started or EventKind.Succeeded or EventKind.Failed or EventKind.Retried
        || (news.Kind == EventKind.Revoked && news.Expired);

    /// <summary>Turns a time into its minute. The clock of a worker may be ahead of ours.</summary>
    static bool IsWithin(ref long at, long now)
    {
        at = Math.Min(at, now) / TimeSpan.TicksPerMinute;
        return at > now / TimeSpan.TicksPerMinute - Minutes;
    }

    /// <returns>The minutes of a task, with this minute ready; <see langword="null"/> for no room or a minute that is over.</returns>
    Cell[]? CellOf(string task, string queue, long minute)
    {
        if (!tasks.TryGetValue((task, queue), out var cells))
        {
            if (tasks.Count >= MostTasks && !Sweep(minute))
            {
                return null; // somebody makes names up
            }

            tasks[(task, queue)] = cells = new Cell[Minutes];
        }

        ref var cell = ref cells[minute % Minutes];
        if (cell.Minute < minute)
        {
            cell = new() { Minute = minute };
        }

        return cell.Minute == minute ? cells : null;
    }

    /// <summary>Forgets tasks that had nothing to do in the last hour; at most once in a minute, because it looks at all.</summary>
    /// <returns>Whether there is room now.</returns>
    bool Sweep(long minute)
    {
        if (minute > sweptAt)
        {
            sweptAt = minute;
            foreach (var (key, cells) in tasks)
            {
                if (!Array.Exists(cells, cell => cell.Minute > minute - Minutes))
                {
                    tasks.Remove(key);
                }
            }
        }

        return tasks.Count < MostTasks;
    }

    static ThroughputMinute Of(Cell[] cells, long minute)
    {
        ref readonly var cell = ref cells[minute % Minutes];
        return cell.Minute != minute ? default : new()
        {
            Started = cell.Started,
            Succeeded = cell.Succeeded,
            Failed = cell.Failed,
            Retried = cell.Retried,
            Expired = cell.Expired,
            Runtime = TimeSpan.FromSeconds(Math.Min(cell.Runtime, MostSeconds)),
        };
    }

    struct Cell
    {
        public long Minute;
        public long Started;
        public long Succeeded;
        public long Failed;
        public long Retried;
        public long Expired;
        public double Runtime; // seconds
    }
}
