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

    // Longer than any run, and small enough that each sum is a time.
    const double MostSeconds = 1e9;

    readonly Lock gate = new();
    readonly Dictionary<(string Task, string Queue), (long Minute, ThroughputMinute Sum)[]> tasks = [];
    long sweptAt;

    /// <summary>Takes what a worker of Jobs has newly done; see <see cref="CountDeltas"/>.</summary>
    /// <param name="news">What is new.</param>
    /// <param name="at">When the worker told it, in ticks.</param>
    /// <param name="now">The time, in ticks.</param>
    public void Add(in CountsRead news, long at, long now)
    {
        // The clock of the worker may be ahead of ours.
        var minute = Math.Min(at, now) / TimeSpan.TicksPerMinute;
        if (news is { Started: 0, Ended: 0, Runtime: 0 } || minute <= now / TimeSpan.TicksPerMinute - Minutes)
        {
            return;
        }

        lock (gate)
        {
            if (MinutesOf((news.Task, news.Queue), minute) is { } minutes && minutes[minute % Minutes] is var last && last.Minute <= minute)
            {
                var sum = last.Minute == minute ? last.Sum : default;
                minutes[minute % Minutes] = (minute, new()
                {
                    Started = sum.Started + news.Started,
                    Succeeded = sum.Succeeded + news.Succeeded,
                    Failed = sum.Failed + news.Failed,
                    Retried = sum.Retried + news.Retried,
                    Expired = sum.Expired + news.Expired,
                    Runtime = TimeSpan.FromSeconds(Math.Min(sum.Runtime.TotalSeconds + news.Runtime, MostSeconds)),
                });
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
        var counts = new CountsRead(task, queue ?? "")
        {
            Started = news.Kind == EventKind.Started ? 1 : 0,
            Succeeded = news.Kind == EventKind.Succeeded ? 1 : 0,
            Failed = news.Kind == EventKind.Failed ? 1 : 0,
            Retried = news.Kind == EventKind.Retried ? 1 : 0,
            Expired = news.Kind == EventKind.Revoked && news.Expired ? 1 : 0,
            Runtime = news.Kind == EventKind.Succeeded ? Math.Max(0, news[EventNumber.Runtime] ?? 0) : 0,
        };
        Add(counts, news.At, now);
    }

    /// <summary>The last hour.</summary>
    /// <param name="now">The time, in ticks.</param>
    public ThroughputInfo Read(long now)
    {
        var from = now / TimeSpan.TicksPerMinute - Minutes + 1;
        var found = new List<TaskThroughput>();
        lock (gate)
        {
            foreach (var ((task, queue), minutes) in tasks)
            {
                if (Array.Exists(minutes, one => one.Minute >= from))
                {
                    found.Add(new() { Task = task, Queue = queue, Minutes = [.. Enumerable.Range(0, Minutes).Select(i => Of(minutes, from + i))] });
                }
            }
        }

        return new()
        {
            Tasks = [.. found.OrderBy(one => one.Task, StringComparer.Ordinal).ThenBy(one => one.Queue, StringComparer.Ordinal)],
            From = new(from * TimeSpan.TicksPerMinute, TimeSpan.Zero),
        };
    }

    static ThroughputMinute Of((long Minute, ThroughputMinute Sum)[] minutes, long minute) =>
        minutes[minute % Minutes] is var (known, sum) && known == minute ? sum : default;

    /// <returns>The minutes of a task; <see langword="null"/> when there is no room.</returns>
    (long Minute, ThroughputMinute Sum)[]? MinutesOf((string Task, string Queue) key, long minute)
    {
        var known = tasks.GetValueOrDefault(key);
        return known is null && (tasks.Count < MostTasks || Sweep(minute)) // else somebody makes names up
            ? tasks[key] = new (long, ThroughputMinute)[Minutes]
            : known;
    }

    /// <summary>Forgets tasks that had nothing to do in the last hour; at most once in a minute, because it looks at all.</summary>
    /// <returns>Whether there is room now.</returns>
    bool Sweep(long minute)
    {
        if (minute > sweptAt)
        {
            sweptAt = minute;
            foreach (var (key, _) in tasks.Where(task => !Array.Exists(task.Value, one => one.Minute > minute - Minutes)).ToList())
            {
                tasks.Remove(key);
            }
        }

        return tasks.Count < MostTasks;
    }
}
