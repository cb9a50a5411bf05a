using System.Text;

namespace Jobs.Inspection;

/// <summary>
/// How many jobs of each queue workers have lately received and ended, from the counts that they tell each second. All
/// methods may be called by any thread.
/// </summary>
/// <remarks>
/// Workers tell totals since their start. When a worker was there before this process listened, its first total says
/// nothing about now, and only begins the counting. After a gap, what the worker did meanwhile counts for the second in
/// which this process hears of it.
/// </remarks>
sealed class QueueRates
{
    const int MostWorkers = 10_000;
    const int MostQueues = 10_000;
    const int Window = 10;
    const int MostCountsOfWorker = 10_000;

    // A worker tells its first counts within this time after its start.
    static readonly TimeSpan young = TimeSpan.FromSeconds(3);

    readonly Lock gate = new();
    readonly Dictionary<string, WorkerTotals> workers = new(StringComparer.Ordinal);
    readonly Dictionary<string, Tally> queues = new(StringComparer.Ordinal);

    /// <summary>Takes the counts of a worker.</summary>
    /// <param name="news">The event.</param>
    /// <param name="heardAt">When this process heard of it, in ticks.</param>
    public void Apply(JobEvent news, long heardAt)
    {
        if (news.Kind != EventKind.Counts || news.At == 0 || news[EventText.Hostname].IsEmpty)
        {
            return;
        }

        var name = Encoding.UTF8.GetString(JobText.Cut(news[EventText.Hostname], 512));
        var since = news[EventNumber.Since] ?? 0;
        lock (gate)
        {
            if (!workers.TryGetValue(name, out var totals) || totals.Since != since)
            {
                if (workers.Count >= MostWorkers)
                {
                    workers.Clear(); // only begins their counting anew
                }

                var age = (news.At - DateTimeOffset.UnixEpoch.Ticks) / (double)TimeSpan.TicksPerSecond - since;
                workers[name] = totals = new(since) { IsFollowed = age < young.TotalSeconds };
            }

            foreach (var counts in news.Counts)
            {
                Add(totals, counts, heardAt / TimeSpan.TicksPerSecond);
            }

            totals.IsFollowed = true;
        }
    }

    /// <summary>What is known of a queue.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="now">The time, in ticks.</param>
    public QueueRate Of(string queue, long now)
    {
        lock (gate)
        {
            return queues.TryGetValue(queue, out var tally) ? tally.Read(now / TimeSpan.TicksPerSecond) : default;
        }
    }

    void Add(WorkerTotals totals, in CountsRead counts, long second)
    {
        var key = (counts.Task, counts.Queue);
        if (!totals.Counts.TryGetValue(key, out var before) && !totals.IsFollowed)
        {
            before = counts;
        }

        if (totals.Counts.Count < MostCountsOfWorker || totals.Counts.ContainsKey(key))
        {
            totals.Counts[key] = counts;
        }

        if (!queues.TryGetValue(counts.Queue, out var tally))
        {
            if (queues.Count >= MostQueues)
            {
                return; // somebody makes names up
            }

            queues[counts.Queue] = tally = new();
        }

        tally.Taken += Math.Max(0, counts.Received - counts.GivenBack - before.Received + before.GivenBack);
        tally.Add(second, Math.Max(0, counts.Ended - before.Ended), counts.Wait);
    }

    sealed class WorkerTotals(double since)
    {
        public double Since => since;

        /// <summary>
        /// Whether this process has heard all changes of the worker's totals. Then a total that comes for the first time
        /// began at 0.
        /// </summary>
        public bool IsFollowed { get; set; }

        public Dictionary<(string Task, string Queue), CountsRead> Counts { get; } = [];
    }

    sealed class Tally
    {
        readonly long[] seconds = new long[Window + 1];
        readonly long[] ended = new long[Window + 1];
        double? wait;
        long waitAt;

        public long Taken { get; set; }

        public void Add(long second, long count, double? waited)
        {
            var place = (int)(second % seconds.Length);
            if (seconds[place] != second)
            {
                (seconds[place], ended[place]) = (second, 0);
            }

            ended[place] += count;
            (wait, waitAt) = waited is null ? (wait, waitAt) : (waited, second);
        }

        public QueueRate Read(long second)
        {
            var sum = 0L;
            for (var i = 0; i < seconds.Length; i++)
            {
                sum += seconds[i] > second - Window && seconds[i] <= second ? ended[i] : 0;
            }

            return new(Taken, sum / (double)Window, wait is { } waited && waitAt > second - Window ? TimeSpan.FromSeconds(waited) : null);
        }
    }
}

/// <summary>What workers say of a queue.</summary>
/// <param name="Taken">How many jobs they have taken and not given back, since this process counts.</param>
/// <param name="EndedPerSecond">How many attempts ended in a second, over the last ten.</param>
/// <param name="Wait">How long a job had waited that was received in that time.</param>
readonly record struct QueueRate(long Taken, double EndedPerSecond, TimeSpan? Wait);
