using System.Text;

namespace Jobs.Inspection;

/// <summary>What the workers have said of themselves. All methods may be called by any thread.</summary>
sealed class WorkerBook
{
    const int MostWorkers = 10_000;
    const int MostNameBytes = 512;

    // Celery's rule: a worker lives for two of its heartbeats after it was last heard of.
    const double HeartbeatsToLive = 2;
    const double UsualFreq = 2;

    const double MostSeconds = 1e9;
    const string Jobs = "jobs";

    static readonly long forgotten = TimeSpan.FromDays(1).Ticks;

    readonly Lock gate = new();
    readonly Dictionary<string, Entry> workers = new(StringComparer.Ordinal);
    readonly Dictionary<string, Entry>.AlternateLookup<ReadOnlySpan<char>> byName;

    public WorkerBook() => byName = workers.GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>Takes an event of a worker, or of a job that a worker has.</summary>
    /// <param name="news">The event.</param>
    /// <param name="heardAt">When this process heard of it, in ticks.</param>
    /// <returns>Whether the worker is one of Jobs; <see langword="null"/> when it has not introduced itself.</returns>
    public bool? Apply(JobEvent news, long heardAt)
    {
        if (news.At == 0 || news[EventText.Hostname].IsEmpty || news.Kind == EventKind.Sent)
        {
            return null;
        }

        Span<char> name = stackalloc char[MostNameBytes];
        name = name[..Encoding.UTF8.GetChars(JobText.Cut(news[EventText.Hostname], MostNameBytes), name)];
        lock (gate)
        {
            if (!byName.TryGetValue(name, out var worker))
            {
                if (!news.IsOfWorker)
                {
                    return null; // a worker introduces itself; events of jobs alone also come from old history
                }

                Forget(heardAt);
                workers[name.ToString()] = worker = new() { Info = new() { Name = name.ToString() } };
            }

            worker.HeardAt = Math.Max(worker.HeardAt, heardAt);
            if (news.IsOfWorker && news.At >= worker.SaidAt)
            {
                worker.SaidAt = news.At;
                worker.Freq = news[EventNumber.Freq] is { } freq and > 0 and < 86_400 ? freq : worker.Freq;
                worker.Info = Merge(worker.Info, news, heardAt) with { StartedAt = StartedAt(worker, news) };
                worker.IsOfJobs = worker.Info.Software is { } software ? software == Jobs : null;
                worker.IsOffline = news.Kind == EventKind.WorkerOffline;
            }

            return worker.IsOfJobs;
        }
    }

    public IReadOnlyList<WorkerInfo> List(long now)
    {
        lock (gate)
        {
            return [.. workers.Values.Where(worker => now - worker.HeardAt < forgotten)
                .Select(worker => worker.Info with
                {
                    IsAlive = !worker.IsOffline && now - worker.HeardAt < worker.Freq * HeartbeatsToLive * TimeSpan.TicksPerSecond,
                    LastSeenAt = new(worker.HeardAt, TimeSpan.Zero),
                })
                .OrderBy(worker => worker.Name, StringComparer.Ordinal)];
        }
    }

    void Forget(long now)
    {
        if (workers.Count < MostWorkers)
        {
            return;
        }

        var oldest = workers.OrderBy(worker => worker.Value.HeardAt).Take(MostWorkers / 10).Select(worker => worker.Key).ToList();
        foreach (var name in oldest.Concat(workers.Where(worker => now - worker.Value.HeardAt >= forgotten).Select(worker => worker.Key)).ToList())
        {
            workers.Remove(name);
        }
    }

    static WorkerInfo Merge(WorkerInfo known, JobEvent news, long heardAt) => known with
    {
        Running = [.. (news.Runs ?? []).Select(run => Run(known.Name, run, heardAt))],
        ProcessId = (int?)Small(news, EventNumber.Pid) ?? known.ProcessId,
        Software = Text(news, EventText.Software) ?? known.Software,
        SoftwareVersion = Text(news, EventText.SoftwareVersion) ?? known.SoftwareVersion,
        System = Text(news, EventText.System) ?? known.System,
        Active = (int?)Small(news, EventNumber.Active) ?? known.Active,
        Processed = news.Count(EventNumber.Processed) ?? known.Processed,
        LoadAverage = news.LoadAverage.Count > 0 ? [.. news.LoadAverage] : known.LoadAverage,
        Queues = news.Queues.Count > 0 ? [.. news.Queues] : known.Queues,
        Slots = (int?)Small(news, EventNumber.Slots) ?? known.Slots,
        Version = Text(news, EventText.Version) ?? known.Version,
    };

    /// <summary>
    /// Workers of Jobs say it. Others greet after their start, and again after each reconnect: then they have the same
    /// process and have done no less than before.
    /// </summary>
    static DateTimeOffset? StartedAt(Entry known, JobEvent news)
    {
        if (EventReader.TicksOf(news[EventNumber.Since]) is var since and not 0)
        {
            return new(since, TimeSpan.Zero);
        }

        var isSame = known.Info.ProcessId == news.Count(EventNumber.Pid);
        if (news.Kind != EventKind.WorkerOnline)
        {
            return isSame ? known.Info.StartedAt : null;
        }

        var isBack = isSame && !known.IsOffline && known.Info.Processed <= news.Count(EventNumber.Processed);
        return (isBack ? known.Info.StartedAt : null) ?? new(news.At, TimeSpan.Zero);
    }

    static RunningJobInfo Run(string worker, in RunRead run, long heardAt) => new()
    {
        Id = run.Id,
        Task = run.Task,
        Queue = run.Queue,
        Worker = worker,
        StartedAt = new(Math.Max(0, heardAt - (long)(Math.Min(run.Seconds, MostSeconds) * TimeSpan.TicksPerSecond)), TimeSpan.Zero),
    };

    static long? Small(JobEvent news, EventNumber field) => news.Count(field) is { } count and <= int.MaxValue ? count : null;

    static string? Text(JobEvent news, EventText field) => JobText.Of(JobText.Keep(news[field]));

    sealed class Entry
    {
        public required WorkerInfo Info { get; set; }

        public double Freq { get; set; } = UsualFreq;

        public long HeardAt { get; set; }

        public long SaidAt { get; set; }

        public bool IsOffline { get; set; }

        public bool? IsOfJobs { get; set; }
    }
}
