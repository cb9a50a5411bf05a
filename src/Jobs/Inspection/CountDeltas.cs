using System.Text;

namespace Jobs.Inspection;

/// <summary>
/// Finds what is new in the counts of workers, which tell totals since their start. All methods may be called by any
/// thread.
/// </summary>
/// <remarks>
/// 1. When this process knows a worker from its start, because it heard its greeting or its first counts, every total
/// began at 0.
/// 2. Of a worker that was there before, the first total of a task and queue says nothing about now, and only begins the
/// counting. So what that worker did with them in the second before is not counted.
/// 3. After a gap, what the worker did meanwhile is new when this process hears of it.
/// </remarks>
sealed class CountDeltas
{
    const int MostWorkers = 10_000;
    const int MostCountsOfWorker = 10_000;
    const int MostNameBytes = 512;

    // A worker that has jobs at once tells its first counts within this time after its start.
    static readonly TimeSpan young = TimeSpan.FromSeconds(3);

    readonly Lock gate = new();
    readonly Dictionary<string, WorkerTotals> workers = new(StringComparer.Ordinal);

    /// <summary>Takes what a worker tells.</summary>
    /// <param name="news">The event: counts, or the greeting of a worker.</param>
    /// <param name="each">Is called with what is new of each task and queue.</param>
    public void Apply(JobEvent news, Action<CountsRead> each)
    {
        if (news.At == 0 || news[EventText.Hostname].IsEmpty || news[EventNumber.Since] is not { } since)
        {
            return;
        }

        lock (gate)
        {
            var totals = TotalsOf(Encoding.UTF8.GetString(JobText.Cut(news[EventText.Hostname], MostNameBytes)), since, news);
            foreach (var counts in news.Counts)
            {
                each(totals.Take(counts));
            }
        }
    }

    WorkerTotals TotalsOf(string name, double since, JobEvent news)
    {
        if (workers.TryGetValue(name, out var totals) && totals.Since == since)
        {
            return totals;
        }

        if (workers.Count >= MostWorkers)
        {
            workers.Clear(); // only begins their counting anew
        }

        var age = (news.At - DateTimeOffset.UnixEpoch.Ticks) / (double)TimeSpan.TicksPerSecond - since;
        return workers[name] = new(since, isKnownFromStart: news.Kind == EventKind.WorkerOnline || age < young.TotalSeconds);
    }

    sealed class WorkerTotals(double since, bool isKnownFromStart)
    {
        readonly Dictionary<(string Task, string Queue), CountsRead> totals = [];

        public double Since => since;

        /// <returns>What is new.</returns>
        public CountsRead Take(in CountsRead counts)
        {
            var key = (counts.Task, counts.Queue);
            var isKnown = totals.TryGetValue(key, out var before);
            if (!isKnown && totals.Count >= MostCountsOfWorker)
            {
                return new(counts.Task, counts.Queue); // somebody makes names up
            }

            totals[key] = counts;
            return counts.Beyond(isKnown || isKnownFromStart ? before : counts);
        }
    }
}
