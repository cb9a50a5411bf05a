namespace Jobs.Sqlite;

/// <summary>
/// Puts questions to the reader of a journal into a table, and waits for the answers there. The first question begins a
/// session: only a process with a session has a bell.
/// </summary>
sealed class SqliteAsker(Engine engine, Session session, string journal) : IClaimer, IAsyncDisposable
{
    readonly Lock gate = new();
    readonly Dictionary<long, TaskCompletionSource<ReadOnlyMemory<byte>?>> waiting = [];
    readonly List<(long No, ReadOnlyMemory<byte> Bytes)> taken = []; // by the transaction under way
    bool hasNews; // on the writer's thread only
    int closing;

    public static async Task<SqliteAsker> BeginAsync(Engine engine, string journal)
    {
        var asker = new SqliteAsker(engine, await engine.Sessions.BeginAsync().ConfigureAwait(false), journal);
        engine.CloseWithIt(asker);
        try
        {
            await engine.Writer.AddClaimerAsync(asker).ConfigureAwait(false);
            return asker;
        }
        catch
        {
            await asker.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <returns>The answer; <see langword="null"/> when nobody reads, or nobody answers in time.</returns>
    public async Task<ReadOnlyMemory<byte>?> AskAsync(ReadOnlyMemory<byte> question, TimeSpan patience, CancellationToken cancellationToken)
    {
        var answer = new TaskCompletionSource<ReadOnlyMemory<byte>?>(TaskCreationOptions.RunContinuationsAsynchronously);
        var no = 0L;
        try
        {
            var isAsked = await engine.Writer.DoAsync(
                tables =>
                {
                    var rows = tables.Journals;
                    if (rows.Find(journal) is not { } asked || rows.HasNoLeader(asked))
                    {
                        return false;
                    }

                    lock (gate)
                    {
                        waiting.Remove(no); // of a transaction that was undone: somebody else's question may have it now
                        no = rows.Ask(asked, question.Span, engine.Now);
                        waiting[no] = answer;
                    }

                    return true;
                },
                needsSync: false).WaitAsync(cancellationToken).ConfigureAwait(false);
            return isAsked ? await answer.Task.WaitAsync(patience, engine.Time, cancellationToken).ConfigureAwait(false) : null;
        }
        catch (TimeoutException)
        {
            return null;
        }
        finally
        {
            lock (gate)
            {
                waiting.Remove(no);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref closing, 1) == 1)
        {
            return;
        }

        engine.ClosedBefore(this);
        lock (gate)
        {
            foreach (var answer in waiting.Values)
            {
                answer.TrySetResult(null); // nobody would tell it any more
            }
        }

        await engine.Writer.RemoveClaimerAsync(this).ConfigureAwait(false);
        await engine.Sessions.EndAsync(session).ConfigureAwait(false);
    }

    // Wants a transaction only when there is an answer to take.
    bool IClaimer.Wants(Tables tables)
    {
        hasNews = hasNews && Numbers().Any(tables.Journals.IsAnswered);
        return hasNews;
    }

    void IClaimer.Claim(Tables tables)
    {
        if (!hasNews && !tables.AnswersChanged)
        {
            return;
        }

        foreach (var no in Numbers())
        {
            if (tables.Journals.TakeAnswer(no) is { } bytes)
            {
                taken.Add((no, bytes));
            }
        }
    }

    void IClaimer.Claimed(bool committed)
    {
        hasNews = !committed && taken.Count > 0;
        foreach (var (no, bytes) in committed ? taken : [])
        {
            lock (gate)
            {
                waiting.GetValueOrDefault(no)?.TrySetResult(bytes);
            }
        }

        taken.Clear();
    }

    void IClaimer.LookAgain() => hasNews = true;

    long[] Numbers()
    {
        lock (gate)
        {
            return [.. waiting.Keys];
        }
    }
}
