namespace Jobs.Transport;

/// <summary>A log in this process's memory, as a ring: the reference implementation of the contract.</summary>
/// <param name="time">The clock.</param>
/// <param name="age">How long entries are kept.</param>
/// <param name="mostBytes">How many bytes are kept at most; 0 to keep nothing.</param>
sealed class InMemoryLog(TimeProvider time, TimeSpan age, long mostBytes) : JobLog
{
    const int MostEntries = 100_000;
    const long MostBytes = 64 << 20; // whatever the option says: this is the memory of the application
    const int MostAtOnce = 1_000;

    readonly TimeProvider time = time;
    readonly long mostBytes = Math.Min(mostBytes, MostBytes);
    readonly Lock gate = new();
    LogEntry[] ring = new LogEntry[256];
    TaskCompletionSource arrival = new(TaskCreationOptions.RunContinuationsAsynchronously);
    long first;
    long next;
    long bytes;
    bool closed;

    public override ValueTask AppendAsync(IReadOnlyList<ReadOnlyMemory<byte>> entries, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var now = time.GetUtcNow();
        lock (gate)
        {
            foreach (var entry in entries)
            {
                Add(new(next, now, entry));
            }

            Trim(now);
            Wake();
        }

        return ValueTask.CompletedTask;
    }

    public override ValueTask<LogExtent> ExtentAsync(CancellationToken cancellationToken)
    {
        lock (gate)
        {
            Trim(time.GetUtcNow());
            return new(new LogExtent(first, next));
        }
    }

    public override LogReader Read(LogStart start)
    {
        lock (gate)
        {
            Trim(time.GetUtcNow());
            var at = start.Position ?? first;
            while (start.Time is { } since && at < next && ring[at % ring.Length].Time < since)
            {
                at++;
            }

            return new Reader(this, at);
        }
    }

    /// <summary>The transport is closed.</summary>
    public void Close()
    {
        lock (gate)
        {
            closed = true;
            Wake();
        }
    }

    void Add(LogEntry entry)
    {
        if (next - first == ring.Length)
        {
            var larger = new LogEntry[ring.Length * 2];
            for (var position = first; position < next; position++)
            {
                larger[position % larger.Length] = ring[position % ring.Length];
            }

            ring = larger;
        }

        ring[next++ % ring.Length] = entry;
        bytes += entry.Bytes.Length;
        if (next - first > MostEntries)
        {
            RemoveFirst();
        }
    }

    void Trim(DateTimeOffset now)
    {
        while (first < next && (bytes > mostBytes || now - ring[first % ring.Length].Time > age))
        {
            RemoveFirst();
        }
    }

    void RemoveFirst()
    {
        ref var oldest = ref ring[first++ % ring.Length];
        bytes -= oldest.Bytes.Length;
        oldest = default;
    }

    void Wake()
    {
        arrival.TrySetResult();
        arrival = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    sealed class Reader(InMemoryLog log, long at) : LogReader
    {
        readonly CancellationTokenSource disposed = new();
        long at = at;

        public override async ValueTask<IReadOnlyList<LogEntry>> NextAsync(CancellationToken cancellationToken)
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, disposed.Token);
            while (true)
            {
                Task arrived;
                lock (log.gate)
                {
                    ObjectDisposedException.ThrowIf(log.closed || disposed.IsCancellationRequested, this);
                    log.Trim(log.time.GetUtcNow());
                    at = Math.Max(at, log.first);
                    if (at < log.next)
                    {
                        return Take();
                    }

                    arrived = log.arrival.Task;
                }

                try
                {
                    await arrived.WaitAsync(either.Token).ConfigureAwait(false);
                }
                catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
                {
                    throw new ObjectDisposedException(nameof(LogReader));
                }
            }
        }

        public override async ValueTask DisposeAsync() => await disposed.CancelAsync().ConfigureAwait(false);

        LogEntry[] Take()
        {
            var taken = new LogEntry[Math.Min(MostAtOnce, log.next - at)];
            for (var i = 0; i < taken.Length; i++)
            {
                taken[i] = log.ring[at++ % log.ring.Length];
            }

            return taken;
        }
    }
}
