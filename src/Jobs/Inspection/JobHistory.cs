using Jobs.Diagnostics;
using Jobs.Transport;
using Microsoft.Extensions.Logging;

namespace Jobs.Inspection;

/// <summary>Reads the log of events, follows it, and keeps the last jobs and the workers in memory.</summary>
/// <remarks>
/// 1. The first question starts the reader. It looks at the newest entries, and estimates from them where the last jobs
/// of the log begin. From there on it reads, so a long history costs no more than a short one.
/// 2. A question waits until the reader has read what was there at its start, or until the question's time is over.
/// 3. The reader goes on for ever. When the log cannot be read, one line says so, and the reader tries again.
/// </remarks>
/// <param name="log">The log.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">For changes of state.</param>
/// <param name="mostJobs">How many jobs are kept.</param>
sealed class JobHistory(JobLog log, TimeProvider time, ILogger logger, int mostJobs = JobHistory.MostJobs) : IAsyncDisposable
{
    /// <summary>How many jobs are kept.</summary>
    public const int MostJobs = 100_000;

    const long MostBytes = 256 << 20;
    const int SampleEntries = 1_000;
    const long MostEntries = 2_000_000;

    // More entries than the estimate says: the past may have been quieter.
    const double Margin = 1.2;

    static readonly TimeSpan patience = TimeSpan.FromMinutes(1);
    static readonly TimeSpan shortestPause = TimeSpan.FromMilliseconds(100);
    static readonly TimeSpan longestPause = TimeSpan.FromSeconds(10);

    readonly Lock gate = new();
    readonly CancellationTokenSource stopping = new();
    readonly TaskCompletionSource caughtUp = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly JobEvent scratch = new();
    readonly CountDeltas deltas = new();
    Task? running;
    string? problem;
    long unreadable;
    long knownFrom;

    /// <summary>The last jobs.</summary>
    public JobIndex Jobs { get; } = new(mostJobs, MostBytes);

    /// <summary>The workers.</summary>
    public WorkerBook Workers { get; } = new();

    /// <summary>How many jobs of each queue workers have lately received and ended.</summary>
    public QueueRates Rates { get; } = new();

    /// <summary>What workers did in each minute of the last hour.</summary>
    public Throughput Throughput { get; } = new();

    /// <summary>The time since which the reader knows all events, in ticks; 0 before it has begun.</summary>
    public long KnownFrom => Interlocked.Read(ref knownFrom);

    /// <summary>Where the reader began; <see langword="null"/> before that.</summary>
    public long? BeganAt { get; private set; }

    /// <summary>How many entries were no events, in whole or in part.</summary>
    public long Unreadable => Interlocked.Read(ref unreadable);

    /// <summary>Why answers may lack something; <see langword="null"/> when nothing is known to be missing.</summary>
    public string? Problem => log.Problem ?? Volatile.Read(ref problem) ?? (caughtUp.Task.IsCompleted ? null : "the history is still being read");

    /// <summary>Starts the reader, if it does not run yet, and waits until it has read the log.</summary>
    /// <returns>Whether it has; after the time-out perhaps not.</returns>
    public async ValueTask<bool> ReadyAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(stopping.IsCancellationRequested, this);
            using (ExecutionContext.SuppressFlow()) // it outlives this call
            {
                running ??= Task.Run(RunAsync, CancellationToken.None);
            }
        }

        if (!caughtUp.Task.IsCompleted)
        {
            try
            {
                await caughtUp.Task.WaitAsync(timeout, time, cancellationToken).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Takes events that came another way than the log, such as the heartbeats of workers.</summary>
    public void Hear(ReadOnlySpan<byte> entry)
    {
        var now = time.GetUtcNow().UtcTicks;
        EventReader.Read(entry, new(), news => Take(news, now, now));
    }

    public async ValueTask DisposeAsync()
    {
        Task? reader;
        lock (gate)
        {
            reader = running;
            _ = stopping.CancelAsync();
        }

        await (reader ?? Task.CompletedTask).ConfigureAwait(false);
    }

    async Task RunAsync()
    {
        var (failures, next) = (0, (long?)null);
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                var extent = await WithinPatienceAsync(log.ExtentAsync).ConfigureAwait(false);
                next = next <= extent.Next ? next : await BeginningAsync(extent).ConfigureAwait(false);
                BeganAt ??= next;
                Succeeded(ref failures);
                await FollowAsync(extent, next.Value, position => next = position).ConfigureAwait(false);
            }
            catch (Exception) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (ObjectDisposedException)
            {
                Failed(++failures, "the transport is closed");
                return;
            }
            catch (Exception e)
            {
                Failed(++failures, e is OperationCanceledException ? "the transport did not answer in time" : e.Message.TrimEnd('.'));
            }

            var pause = TimeSpan.FromTicks(Math.Min(longestPause.Ticks, shortestPause.Ticks << Math.Min(failures, 10)));
            await Task.Delay(pause, time, stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    async Task FollowAsync(LogExtent extent, long from, Action<long> read)
    {
        await using var reader = log.Read(LogStart.From(from));
        if (extent.Next <= from)
        {
            IsKnownFrom(time.GetUtcNow().UtcTicks);
            caughtUp.TrySetResult();
        }

        while (true)
        {
            var entries = await reader.NextAsync(stopping.Token).ConfigureAwait(false);
            Take(entries);
            var last = entries[^1].Position;
            read(last + 1);
            if (last >= extent.Next - 1 || last < from) // lower: the log was made anew
            {
                caughtUp.TrySetResult();
            }
        }
    }

    void Take(IReadOnlyList<LogEntry> entries)
    {
        var now = time.GetUtcNow().UtcTicks;
        var isLive = caughtUp.Task.IsCompleted;
        Action<JobEvent> each = isLive ? news => Take(news, now, now) : news => Take(news, Math.Min(now, news.At), now); // an old goodbye is no news
        IsKnownFrom(Math.Min(now, entries[0].Time?.UtcTicks ?? EventReader.TimeOf(entries[0].Bytes.Span, scratch)));
        for (var i = 0; i < entries.Count; i++)
        {
            if (!EventReader.Read(entries[i].Bytes.Span, scratch, each))
            {
                Interlocked.Increment(ref unreadable);
            }
        }
    }

    void Take(JobEvent news, long heardAt, long now)
    {
        var isOfJobs = Workers.Apply(news, heardAt);
        if (news.IsOfJob)
        {
            // The greeting of a worker may be older than the history.
            var job = Jobs.Apply(news);
            if (job is not null && !(isOfJobs ?? news[EventNumber.UtcOffset] is null))
            {
                Throughput.Add(news, job.Task ?? TelemetryNames.UnknownTask, job.Queue, now);
            }
        }
        else if (news.Kind is EventKind.Counts or EventKind.WorkerOnline)
        {
            TakeCounts(news, news.At, heardAt, now);
        }
    }

    void TakeCounts(JobEvent news, long at, long heardAt, long now) => deltas.Apply(news, counts =>
    {
        Rates.Add(counts, heardAt);
        Throughput.Add(counts, at, now);
    });

    void IsKnownFrom(long at) => Interlocked.CompareExchange(ref knownFrom, at, 0);

    /// <summary>Where about the last jobs begin.</summary>
    async ValueTask<long> BeginningAsync(LogExtent extent)
    {
        var first = Math.Max(extent.First, extent.Next - MostEntries);
        var sampleFrom = extent.Next - SampleEntries;
        if (sampleFrom <= first)
        {
            return first;
        }

        var sample = new JobIndex(mostJobs, MostBytes);
        await WithinPatienceAsync(async token =>
        {
            await using var reader = log.Read(LogStart.From(sampleFrom));
            var last = 0L;
            while (last < extent.Next - 1)
            {
                var entries = await reader.NextAsync(token).ConfigureAwait(false);
                last = entries[^1].Position;
                foreach (var entry in entries)
                {
                    EventReader.Read(entry.Bytes.Span, scratch, news => Sample(sample, news));
                }
            }

            return last;
        }).ConfigureAwait(false);
        var entriesPerJob = SampleEntries / (double)Math.Max(1, sample.Count);
        return Math.Max(first, extent.Next - (long)(mostJobs * entriesPerJob * Margin));

        static void Sample(JobIndex sample, JobEvent news)
        {
            if (news.IsOfJob)
            {
                sample.Apply(news);
            }
        }
    }

    async ValueTask<T> WithinPatienceAsync<T>(Func<CancellationToken, ValueTask<T>> ask)
    {
        using var limit = new CancellationTokenSource(patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, stopping.Token);
        return await ask(either.Token).ConfigureAwait(false);
    }

    void Succeeded(ref int failures)
    {
        failures = 0;
        if (Interlocked.Exchange(ref problem, null) is not null)
        {
            Log.HistoryRead(logger);
        }
    }

    void Failed(int failures, string why)
    {
        Volatile.Write(ref problem, why);
        if (failures == 1)
        {
            Log.HistoryUnread(logger, why);
        }
    }
}
