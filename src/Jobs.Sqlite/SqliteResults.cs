using Jobs.Transport;

namespace Jobs.Sqlite;

/// <summary>
/// Results in a table of the file, where every process can read them by the id of their job.
/// </summary>
/// <remarks>
/// Who waits: 1. reads the row on the connection that only reads. 2. When the job has not ended, the wait is noted here,
/// 3. reads the row anew on the writer's thread, and 4. waits for news. The writer's thread looks for news after each
/// transaction with results, and when another process rings the doorbell. The first wait begins a session: only a
/// process with a session has a bell.
/// </remarks>
sealed class SqliteResults(Func<Engine> open) : ResultStore, IClaimer, IAsyncDisposable
{
    readonly Lock gate = new();
    readonly Dictionary<string, List<TaskCompletionSource<JobStatus>>> waiters = new(StringComparer.Ordinal);
    Task<(Engine Engine, Session Session)>? listening;
    Tables? ofWriter; // used on the writer's thread only
    long cursor = -1; // up to where the writer's thread has looked; -1 while nobody waits
    bool hasNews;

    /// <summary>For how many jobs somebody waits; for tests.</summary>
    internal int Waiting
    {
        get
        {
            lock (gate)
            {
                return waiters.Count;
            }
        }
    }

    public override ValueTask<string> OpenAsync(CancellationToken cancellationToken)
    {
        Guest.RefuseDeadlock(open());
        return new(ById);
    }

    // The writer works in order: the row is there before the job's message is.
    public override void Expect(string id)
    {
        var engine = open();
        _ = WriteAsync(engine, rows => rows.Expect(id, engine.Now));
    }

    public override void Forget(string id) => _ = WriteAsync(open(), rows => rows.Forget(id));

    public override async ValueTask<JobStatus?> ReadAsync(string id, CancellationToken cancellationToken)
    {
        var engine = open();
        if (engine.Reader.TryRead(tables => tables.Results.Read(id, engine.Now), out var status))
        {
            return status;
        }

        Guest.RefuseDeadlock(engine);
        return await engine.Writer.DoAsync(tables => tables.Results.Read(id, engine.Now), needsSync: false)
            .WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    public override async ValueTask<JobStatus?> WaitAsync(string id, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var engine = open();
        if (engine.Reader.TryRead(tables => tables.Results.Read(id, engine.Now), out var known) && known is { HasEnded: true })
        {
            return known;
        }

        Guest.RefuseDeadlock(engine);
        var waiter = new TaskCompletionSource<JobStatus>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var expiring = new CancellationTokenSource(timeout, engine.Time);
        using var giveUp = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, expiring.Token);
        lock (gate)
        {
            if (!waiters.TryGetValue(id, out var others))
            {
                waiters[id] = others = [];
            }

            others.Add(waiter);
        }

        try
        {
            await ListenAsync(engine).WaitAsync(giveUp.Token).ConfigureAwait(false);
            var status = await engine.Writer.DoAsync(
                tables =>
                {
                    // The smaller one: a transaction that was undone gave numbers, and later ends get these numbers again.
                    (ofWriter, cursor) = (tables, cursor < 0 ? tables.LastSeq() : Math.Min(cursor, tables.LastSeq()));
                    return tables.Results.Read(id, engine.Now);
                },
                needsSync: false).WaitAsync(giveUp.Token).ConfigureAwait(false);
            return status is { HasEnded: true } ? status : await waiter.Task.WaitAsync(giveUp.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return await ReadAsync(id, cancellationToken).ConfigureAwait(false); // the time is over: what is known now
        }
        finally
        {
            Leave(id, waiter);
        }
    }

    public async ValueTask DisposeAsync()
    {
        Task<(Engine, Session)>? begun;
        TaskCompletionSource<JobStatus>[] left;
        lock (gate)
        {
            (begun, listening) = (listening, null);
            left = [.. waiters.Values.SelectMany(waiting => waiting)];
            waiters.Clear();
        }

        foreach (var waiter in left)
        {
            waiter.TrySetException(new ObjectDisposedException("SqliteTransport")); // nobody would tell it any more
        }

        if (begun is not null)
        {
            var (engine, session) = await begun.ConfigureAwait(false);
            await engine.Writer.RemoveClaimerAsync(this).ConfigureAwait(false);
            await engine.Sessions.EndAsync(session).ConfigureAwait(false);
        }
    }

    // Looks for news without a transaction; claims no messages.
    bool IClaimer.Wants(Tables tables)
    {
        if (hasNews)
        {
            Look(tables);
        }

        return false;
    }

    void IClaimer.Claim(Tables tables) => hasNews |= tables.ResultsChanged;

    void IClaimer.Claimed(bool committed)
    {
        if (committed && hasNews && ofWriter is not null)
        {
            Look(ofWriter);
        }
    }

    void IClaimer.LookAgain() => hasNews = true;

    void Look(Tables tables)
    {
        hasNews = false;
        lock (gate)
        {
            if (waiters.Count == 0)
            {
                cursor = -1;
                return;
            }
        }

        foreach (var (seq, id) in cursor < 0 ? [] : tables.Results.After(cursor))
        {
            cursor = seq;
            List<TaskCompletionSource<JobStatus>>? told;
            lock (gate)
            {
                waiters.Remove(id, out told);
            }

            if (told is not null && tables.Results.Read(id, long.MinValue) is { } status)
            {
                told.ForEach(waiter => waiter.TrySetResult(status));
            }
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

    // Nobody waits. When this fails, the enqueue that follows fails too, or the job is unknown until its worker tells.
    static async Task WriteAsync(Engine engine, Action<ResultRows> write)
    {
        try
        {
            await engine.Writer.DoAsync(
                tables =>
                {
                    write(tables.Results);
                    return true;
                },
                needsSync: false).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // The writer has said why it cannot write.
        }
    }

    void Leave(string id, TaskCompletionSource<JobStatus> waiter)
    {
        lock (gate)
        {
            if (waiters.TryGetValue(id, out var others) && others.Remove(waiter) && others.Count == 0)
            {
                waiters.Remove(id);
            }
        }
    }
}
