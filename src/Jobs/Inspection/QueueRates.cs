namespace Jobs.Inspection;

/// <summary>
/// How many jobs of each queue workers have lately received and ended, from the counts that they tell each second. All
/// methods may be called by any thread.
/// </summary>
sealed class QueueRates
{
    const int MostQueues = 10_000;
    const int Window = 10;

    readonly Lock gate = new();
    readonly Dictionary<string, Tally> queues = new(StringComparer.Ordinal);

    /// <summary>Takes what a worker has newly done; see <see cref="CountDeltas"/>.</summary>
    /// <param name="news">What is new.</param>
    /// <param name="heardAt">When this process heard of it, in ticks.</param>
    public void Add(in CountsRead news, long heardAt)
    {
        lock (gate)
        {
            if (!queues.TryGetValue(news.Queue, out var tally))
            {
                if (queues.Count >= MostQueues)
                {
                    return; // somebody makes names up
                }

                queues[news.Queue] = tally = new();
            }

            tally.Taken += Math.Max(0, news.Received - news.GivenBack);
            tally.Add(heardAt / TimeSpan.TicksPerSecond, news.Ended, news.Wait);
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
