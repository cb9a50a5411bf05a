using Jobs.Transport;

namespace Jobs.Inspection;

/// <summary>Reads the log itself, for jobs that the index has no more.</summary>
/// <remarks>
/// A log can only be read forward, and the newest jobs are wanted first. So the search goes back in windows: it reads ten
/// seconds, takes their jobs, and then reads the time before them. A window is four times as long as the one before it while
/// reading is quick. A window counts only when it was read to its end; so what the search has looked at is always all
/// jobs since some time. Each window is read for some time beyond its end, so that the ends of its last jobs are in it.
/// A window with more jobs than fit into memory is read again in smaller parts. When the time is over in the middle of a
/// page's first window, the next page begins with a smaller one: so each few pages get further, however dense the log is.
/// </remarks>
sealed class DeepSearch(JobLog log, JobHistory history, TimeProvider time)
{
    const int MostJobsInWindow = 100_000;
    const long MostBytesOfWindow = 128 << 20;
    const int Growth = 4;

    static readonly long firstWindow = TimeSpan.FromSeconds(10).Ticks;
    static readonly long longestWindow = TimeSpan.FromDays(400).Ticks; // a wrong time of a worker must not make thousands of windows

    // A job that began before the time that was asked for may have an event in it.
    static readonly long longestJob = TimeSpan.FromDays(2).Ticks;
    static readonly long shortestWindow = TimeSpan.FromMilliseconds(100).Ticks;
    static readonly long mostBeyond = TimeSpan.FromSeconds(30).Ticks;

    // How far a clock may go wrong between the process that made an id and the worker that told of it.
    static readonly long clockError = TimeSpan.FromMinutes(1).Ticks;

    // The same between a worker and who keeps the log.
    static readonly long logClockError = TimeSpan.FromSeconds(5).Ticks;

    // How much of the log may still say something of a job that has ended: events of a batch, of another worker.
    static readonly long afterTheEnd = TimeSpan.FromSeconds(10).Ticks;

    readonly JobEvent scratch = new();
    readonly List<JobRecordView> found = [];

    /// <summary>The jobs that were found.</summary>
    public IReadOnlyList<JobRecordView> Found => found;

    /// <summary>All jobs since this time were looked at, in ticks.</summary>
    public long BackTo { get; private set; }

    /// <summary>Whether the search came to the beginning of the log, or of the time that was asked for.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>How much to read at once when the search goes on from there.</summary>
    public long NextWindow { get; private set; }

    /// <summary>Why the log could not be read; <see langword="null"/> when it could.</summary>
    public string? Problem { get; private set; }

    /// <summary>Searches back until there are enough jobs, or the token fires.</summary>
    /// <param name="filter">Which jobs.</param>
    /// <param name="before">Only jobs behind this place.</param>
    /// <param name="count">How many.</param>
    /// <param name="until">The deadline.</param>
    public async Task SearchAsync(JobFilter filter, JobCursor before, int count, CancellationToken until)
    {
        BackTo = before.At;
        try
        {
            var extent = await log.ExtentAsync(until).ConfigureAwait(false);
            var oldest = Math.Max(filter.From - longestJob, await FirstTimeAsync(extent, until).ConfigureAwait(false));
            var (width, seen) = (before.Window == 0 ? firstWindow : before.Window, new HashSet<JobKey>());
            while (found.Count < count && !(IsComplete = BackTo < oldest || oldest == 0))
            {
                var begin = Math.Max(BackTo - width, oldest - 1);
                var started = time.GetTimestamp();
                var end = BackTo;
                NextWindow = BackTo < before.At ? width : Math.Max(width / Growth, shortestWindow); // if this one is not read to its end
                var window = await ReadAsync(begin, end + Math.Min(width, mostBeyond), Math.Min(width, logClockError), extent, until).ConfigureAwait(false);
                if (window.HasEvicted && width > shortestWindow)
                {
                    width = Math.Max(width / Growth, shortestWindow);
                    continue;
                }

                var jobs = window.Search(filter, before, count - found.Count, job => job.FirstAt >= begin && job.FirstAt <= end && IsNew(job, seen));
                found.AddRange(jobs.OrderByDescending(job => job.FirstAt));
                BackTo = begin;
                NextWindow = width = Next(width, time.GetElapsedTime(started));
            }
        }
        catch (OperationCanceledException) when (until.IsCancellationRequested)
        {
            // The time is over. The last window was not read to its end, and does not count.
        }
        catch (JobTransportException e)
        {
            Problem = e.Message;
        }
    }

    /// <summary>Everything that the log says of one job, from a time on.</summary>
    /// <param name="key">The job.</param>
    /// <param name="since">The time.</param>
    /// <param name="until">The deadline.</param>
    /// <param name="filter">What lets the job into <see cref="Found"/>; <see langword="null"/> for nothing.</param>
    public async Task<JobInfo?> FindAsync(JobKey key, long since, CancellationToken until, JobFilter? filter = null)
    {
        var (job, id) = (new JobIndex(1, long.MaxValue), System.Text.Encoding.UTF8.GetBytes(key.ToString()));
        BackTo = since - clockError;
        try
        {
            var extent = await log.ExtentAsync(until).ConfigureAwait(false);
            await ReadAsync(BackTo, logClockError, extent, until, entries =>
            {
                foreach (var entry in entries)
                {
                    if (entry.Bytes.Span.IndexOf(id) >= 0)
                    {
                        EventReader.Read(entry.Bytes.Span, scratch, news => ApplyIf(job, news, id));
                    }
                }

                return job.Find(key) is { EndedAt: { } ended } && TimeOf(entries[^1]) > ended.UtcTicks + afterTheEnd;
            }).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (until.IsCancellationRequested)
        {
            // The time is over: what is known now.
        }
        catch (JobTransportException e)
        {
            Problem = e.Message;
        }

        found.AddRange(filter is null ? [] : job.Search(filter, null, 1));
        return job.Find(key);
    }

    static void ApplyIf(JobIndex job, JobEvent news, ReadOnlySpan<byte> id)
    {
        if (news.IsOfJob && news[EventText.Uuid].SequenceEqual(id))
        {
            job.Apply(news);
        }
    }

    // A job without a name began in an older window. One that the index has was on a page before.
    bool IsNew(JobRecord job, HashSet<JobKey> seen) => job.Task is not null && !history.Jobs.Contains(job.Key) && seen.Add(job.Key);

    static long Next(long width, TimeSpan took) => took < TimeSpan.FromMilliseconds(200) ? Math.Min(width * Growth, longestWindow)
        : took > TimeSpan.FromSeconds(1) ? Math.Max(width / Growth, shortestWindow)
        : width;

    async Task<JobIndex> ReadAsync(long begin, long end, long error, LogExtent extent, CancellationToken until)
    {
        var window = new JobIndex(MostJobsInWindow, MostBytesOfWindow);
        await ReadAsync(begin, error, extent, until, entries =>
        {
            foreach (var entry in entries)
            {
                EventReader.Read(entry.Bytes.Span, scratch, news => ApplyWithin(window, news, begin, end));
            }

            return TimeOf(entries[^1]) >= end || window.HasEvicted;
        }).ConfigureAwait(false);
        return window;
    }

    static void ApplyWithin(JobIndex window, JobEvent news, long begin, long end)
    {
        if (news.IsOfJob && news.At >= begin && news.At < end)
        {
            window.Apply(news);
        }
    }

    /// <summary>Reads entries since a time, until somebody has enough, or to the end of the log.</summary>
    async Task ReadAsync(long since, long error, LogExtent extent, CancellationToken until, Func<IReadOnlyList<LogEntry>, bool> hasEnough)
    {
        if (extent.Next == extent.First)
        {
            return;
        }

        var start = new DateTimeOffset(Math.Max(since - error, DateTimeOffset.UnixEpoch.Ticks), TimeSpan.Zero);
        await using var reader = log.Read(LogStart.At(start));
        IReadOnlyList<LogEntry> entries;
        do
        {
            until.ThrowIfCancellationRequested();
            entries = await reader.NextAsync(until).ConfigureAwait(false);
        }
        while (!hasEnough(entries) && entries[^1].Position < extent.Next - 1);
    }

    /// <summary>The time of the oldest event; 0 when there is none.</summary>
    async Task<long> FirstTimeAsync(LogExtent extent, CancellationToken until)
    {
        if (extent.Next == extent.First)
        {
            return 0;
        }

        await using var reader = log.Read(LogStart.Beginning);
        while (true)
        {
            var entries = await reader.NextAsync(until).ConfigureAwait(false);
            var first = entries.Select(TimeOf).FirstOrDefault(at => at > 0);
            if (first > 0 || entries[^1].Position >= extent.Next - 1)
            {
                return first;
            }
        }
    }

    long TimeOf(LogEntry entry) => entry.Time?.UtcTicks ?? EventReader.TimeOf(entry.Bytes.Span, scratch);
}
