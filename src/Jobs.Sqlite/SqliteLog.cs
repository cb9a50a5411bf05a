using Jobs.Transport;

namespace Jobs.Sqlite;

/// <summary>The history in a table of the file.</summary>
/// <remarks>
/// 1. Entries go to the writer, which adds them in its next transaction. They ask for no sync. When too many wait, the
/// new ones are dropped. 2. Each transaction that adds entries also removes some that are too old or too many. 3. A
/// reader reads on a connection of its own, and then waits. The writer's thread wakes it after each transaction with
/// entries, and when another process rings the doorbell. The first wait begins a session: only a process with a session
/// has a bell.
/// </remarks>
sealed class SqliteLog(Func<Engine> open, JobsOptions options) : JobLog, IClaimer, IAsyncDisposable
{
    const long MostWaiting = 4 << 20;
    const int MostAtOnce = 500;
    const int MostRemoved = 200;

    readonly Func<Engine> open = open;
    readonly Lock gate = new();
    TaskCompletionSource arrival = new(TaskCreationOptions.RunContinuationsAsynchronously);
    Task<(Engine Engine, Session Session)>? listening;
    long waiting;
    long dropped;
    bool changed; // on the writer's thread

    public override long Dropped => Interlocked.Read(ref dropped);

    public override ValueTask AppendAsync(IReadOnlyList<ReadOnlyMemory<byte>> entries, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (options.HistoryBytes == 0 || entries.Count == 0)
        {
            return ValueTask.CompletedTask;
        }

        var size = entries.Sum(entry => (long)entry.Length);
        if (Interlocked.Add(ref waiting, size) > MostWaiting || !TryAdd(entries, size))
        {
            Ended(size, lost: entries.Count);
        }

        return ValueTask.CompletedTask;
    }

    public override async ValueTask<LogExtent> ExtentAsync(CancellationToken cancellationToken) =>
        await ReadAsync(open(), tables => tables.History.Extent(), cancellationToken).ConfigureAwait(false);

    public override LogReader Read(LogStart start) => new Reader(this, start);

    /// <summary>Removes some entries that are too old or too many.</summary>
    /// <returns>Whether there may be more.</returns>
    public bool Prune(Tables tables, long now) => tables.History.Prune(now - (long)options.HistoryAge.TotalMilliseconds, options.HistoryBytes, MostRemoved);

    public async ValueTask DisposeAsync()
    {
        Task<(Engine, Session)>? begun;
        lock (gate)
        {
            (begun, listening) = (listening, null);
        }

        Wake();
        if (begun is not null)
        {
            var (engine, session) = await begun.ConfigureAwait(false);
            await engine.Writer.RemoveClaimerAsync(this).ConfigureAwait(false);
            await engine.Sessions.EndAsync(session).ConfigureAwait(false);
        }
    }

    // It claims no messages: it only listens.
    bool IClaimer.Wants(Tables tables) => false;

    void IClaimer.Claim(Tables tables) => changed |= tables.HistoryChanged;

    void IClaimer.Claimed(bool committed)
    {
        if (committed && changed)
        {
            changed = false;
            Wake();
        }
    }

    void IClaimer.LookAgain() => Wake();

    bool TryAdd(IReadOnlyList<ReadOnlyMemory<byte>> entries, long size)
    {
        try
        {
            var engine = open();
            return engine.Writer.Add(new Operation(this, engine, entries, size));
        }
        catch (Exception e) when (e is JobTransportException or ObjectDisposedException)
        {
            return false; // the file cannot be used, or the transport is closed
        }
    }

    void Ended(long size, int lost)
    {
        Interlocked.Add(ref waiting, -size);
        Interlocked.Add(ref dropped, lost);
    }

    void Wake()
    {
        lock (gate)
        {
            arrival.TrySetResult();
            arrival = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    Task Arrived()
    {
        lock (gate)
        {
            return arrival.Task;
        }
    }

    Task ListenAsync(Engine engine)
    {
        lock (gate)
        {
            return listening is { IsFaulted: false } begun ? begun : listening = BeginAsync(engine);
        }
    }

    async Task<(Engine Engine, Session Session)> BeginAsync(Engine engine)
    {
        var session = await engine.Sessions.BeginAsync().ConfigureAwait(false);
        engine.CloseWithIt(this);
        await engine.Writer.AddClaimerAsync(this).ConfigureAwait(false);
        return (engine, session);
    }

    /// <summary>Reads beside the writer. When that is not possible now, the writer reads.</summary>
    static async Task<T> ReadAsync<T>(Engine engine, Func<Tables, T> read, CancellationToken cancellationToken)
    {
        try
        {
            if (engine.HistoryReader.TryRead(read, out var result))
            {
                return result!;
            }

            Guest.RefuseDeadlock(engine);
            return await engine.Writer.DoAsync(read, needsSync: false).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not (OperationCanceledException or InvalidOperationException)) // a closed transport, a deadlock
        {
            throw SqliteErrors.CannotUse(engine.File.Path, e);
        }
    }

    sealed class Reader(SqliteLog log, LogStart start) : LogReader
    {
        readonly CancellationTokenSource disposed = new();
        long? next = start.Position;

        public override async ValueTask<IReadOnlyList<LogEntry>> NextAsync(CancellationToken cancellationToken)
        {
            ObjectDisposedException.ThrowIf(disposed.IsCancellationRequested, this);
            cancellationToken.ThrowIfCancellationRequested(); // a reader that always finds something never waits, and would not see it
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, disposed.Token);
            var engine = log.open();
            try
            {
                next ??= start.Time is not { } time ? 0
                    : await ReadAsync(engine, tables => tables.History.PositionAt(time.ToUnixTimeMilliseconds()), either.Token).ConfigureAwait(false);
                for (var isListening = false; ;)
                {
                    var arrived = log.Arrived(); // before the look: what comes after it wakes us
                    var found = await ReadAsync(engine, tables => tables.History.From(next.Value, MostAtOnce), either.Token).ConfigureAwait(false);
                    if (found.Count > 0)
                    {
                        next = found[^1].Position + 1;
                        return found;
                    }

                    if (!isListening)
                    {
                        await log.ListenAsync(engine).WaitAsync(either.Token).ConfigureAwait(false);
                        isListening = true;
                        continue; // an entry may have come before anybody would wake us
                    }

                    await arrived.WaitAsync(either.Token).ConfigureAwait(false);
                    engine = log.open(); // throws when the transport was closed
                }
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw new ObjectDisposedException(nameof(LogReader));
            }
        }

        public override async ValueTask DisposeAsync() => await disposed.CancelAsync().ConfigureAwait(false);
    }

    sealed class Operation(SqliteLog log, Engine engine, IReadOnlyList<ReadOnlyMemory<byte>> entries, long size) : WriteOperation
    {
        public override void Execute(Tables tables)
        {
            tables.History.Add(entries, engine.Now);
            log.Prune(tables, engine.Now);
        }

        protected override void Committed() => log.Ended(size, lost: 0);

        protected override void Failed(Exception why, bool maybe) => log.Ended(size, lost: entries.Count);
    }
}
