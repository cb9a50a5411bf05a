namespace Jobs.Transport;

/// <summary>
/// What this process was told of the jobs whose results it asked for, in memory, and who waits for them. Bounded: old
/// results go first, by size, by number and by age.
/// </summary>
sealed class StatusBook(TimeProvider time, Func<TimeSpan> expiry, Action saysDropped)
{
    const long MostBytes = 64 << 20;
    const int MostEnded = 100_000;

    readonly Dictionary<string, Entry> entries = new(StringComparer.Ordinal);
    readonly Queue<(string Id, Entry Entry)> ended = new();
    readonly Queue<(string Id, Entry Entry)> dropped = new(); // without values: these had to go, or will not come
    readonly Lock gate = new();
    long bytes;

    /// <summary>How many jobs are known or waited for; for tests.</summary>
    internal int Count
    {
        get
        {
            lock (gate)
            {
                return entries.Count;
            }
        }
    }

    /// <summary>A job is about to be enqueued.</summary>
    public void Expect(string id)
    {
        var queued = new JobStatus { Id = id, State = JobState.Queued, EnqueuedAt = time.GetUtcNow() };
        lock (gate)
        {
            if (!entries.TryGetValue(id, out var known) || known.Status is { HasEnded: true } || known.Lost is not null)
            {
                // A job with the id of one that has ended is another job.
                Clear(known);
                entries[id] = new() { Status = queued, Waiters = known?.Waiters };
            }
        }
    }

    /// <summary>The job was not enqueued after all.</summary>
    public void Forget(string id)
    {
        lock (gate)
        {
            if (entries.TryGetValue(id, out var known) && known is { Waiters: null, Status.HasEnded: false })
            {
                entries.Remove(id);
            }
        }
    }

    /// <summary>News of a job.</summary>
    /// <param name="news">The news.</param>
    /// <param name="onlyExpected">Whether news of a job that nobody asked for is thrown away.</param>
    public void Tell(JobStatus news, bool onlyExpected)
    {
        List<TaskCompletionSource>? waiters = null;
        var anyDropped = false;
        lock (gate)
        {
            if (!entries.TryGetValue(news.Id, out var entry))
            {
                if (onlyExpected)
                {
                    return;
                }

                entries[news.Id] = entry = new();
            }

            bytes -= entry.Status?.Result.Length ?? 0;
            var wasEnded = entry.Status is { HasEnded: true };
            entry.Status = news.After(entry.Status);
            bytes += entry.Status.Result.Length;
            if (entry.Status.HasEnded && !wasEnded)
            {
                entry.EndedAt = time.GetTimestamp();
                ended.Enqueue((news.Id, entry));
            }

            if (entry.Status.HasEnded)
            {
                (waiters, entry.Waiters) = (entry.Waiters, null);
                entry.WasRead |= waiters is not null;
            }

            anyDropped = Trim();
        }

        waiters?.ForEach(waiter => waiter.TrySetResult());
        if (anyDropped)
        {
            saysDropped();
        }
    }

    /// <summary>
    /// News of the jobs that are expected will not come any more: calls that wait for them fail, now and later.
    /// </summary>
    public void Lose(Func<Exception> why)
    {
        List<TaskCompletionSource> waiters = [];
        lock (gate)
        {
            var now = time.GetTimestamp();
            foreach (var (id, entry) in entries.Where(entry => entry.Value is { Status: not { HasEnded: true }, Lost: null }))
            {
                waiters.AddRange(entry.Waiters ?? []);
                entry.Waiters = null;
                if (entry.Status is null)
                {
                    entries.Remove(id); // nobody knows the job
                    continue;
                }

                (entry.Lost, entry.EndedAt) = (why, now);
                dropped.Enqueue((id, entry)); // else a job that can never end would be kept for ever
            }
        }

        waiters.ForEach(waiter => waiter.TrySetException(why()));
    }

    /// <summary>What is known of a job; <see langword="null"/> when nothing is.</summary>
    public JobStatus? Read(string id)
    {
        lock (gate)
        {
            Trim();
            if (!entries.TryGetValue(id, out var entry))
            {
                return null;
            }

            entry.WasRead |= entry.Status is { HasEnded: true };
            return entry.Status;
        }
    }

    /// <summary>Waits until a job has ended.</summary>
    public async ValueTask<JobStatus?> WaitAsync(string id, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var waiter = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (gate)
        {
            if (!entries.TryGetValue(id, out var entry))
            {
                entries[id] = entry = new();
            }

            if (entry.Status is { HasEnded: true })
            {
                entry.WasRead = true;
                return entry.Status;
            }

            if (entry.Lost is { } why)
            {
                throw why();
            }

            (entry.Waiters ??= []).Add(waiter);
        }

        try
        {
            await waiter.Task.WaitAsync(timeout, time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // The caller is told what is known.
        }
        finally
        {
            Leave(id, waiter);
        }

        return Read(id);
    }

    void Leave(string id, TaskCompletionSource waiter)
    {
        lock (gate)
        {
            if (!entries.TryGetValue(id, out var entry) || entry.Waiters is not { } waiters || !waiters.Remove(waiter) || waiters.Count > 0)
            {
                return;
            }

            entry.Waiters = null;
            if (entry.Status is null)
            {
                entries.Remove(id); // nobody knows the job
            }
        }
    }

    // Returns whether the value of a job went that nobody had read.
    bool Trim()
    {
        var anyUnread = false;
        while (bytes > MostBytes && ended.TryDequeue(out var oldest))
        {
            anyUnread |= !oldest.Entry.WasRead;
            Clear(oldest.Entry);
            dropped.Enqueue(oldest);
        }

        while ((dropped.TryPeek(out var old) && IsOver(old.Entry)) || (ended.TryPeek(out old) && IsOver(old.Entry)))
        {
            _ = dropped.TryPeek(out var first) && first.Entry == old.Entry ? dropped.Dequeue() : ended.Dequeue();
            if (entries.TryGetValue(old.Id, out var there) && there == old.Entry)
            {
                bytes -= there.Status!.Result.Length;
                entries.Remove(old.Id);
            }
        }

        return anyUnread;
    }

    void Clear(Entry? entry)
    {
        if (entry is { Status: { } status })
        {
            bytes -= status.Result.Length;
            entry.Status = status with { Result = default, IsDropped = true };
        }
    }

    bool IsOver(Entry entry) => ended.Count + dropped.Count > MostEnded || time.GetElapsedTime(entry.EndedAt) > expiry();

    sealed class Entry
    {
        public JobStatus? Status { get; set; }

        public List<TaskCompletionSource>? Waiters { get; set; }

        /// <summary>Why no news will come.</summary>
        public Func<Exception>? Lost { get; set; }

        public long EndedAt { get; set; }

        public bool WasRead { get; set; }
    }
}
