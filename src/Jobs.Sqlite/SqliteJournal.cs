using System.Threading.Channels;
using Jobs.Transport;

namespace Jobs.Sqlite;

/// <summary>A journal in a table. Its reader is a session, so the next one reads when the first one's process ends.</summary>
sealed class SqliteJournal(Func<Engine> open, string name) : JobJournal
{
    // A reader of a living process answers within milliseconds.
    static readonly TimeSpan answerTimeout = TimeSpan.FromSeconds(2);

    readonly Lock gate = new();
    Task<SqliteAsker>? asker;

    public override async ValueTask AppendAsync(ReadOnlyMemory<byte> record, TimeSpan timeout, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            var engine = open();
            var operation = new AwaitedOperation<bool>(
                tables =>
                {
                    var rows = tables.Journals;
                    rows.Add(rows.Journal(name), record.Span);
                    return true;
                },
                needsSync: true) { Deadline = engine.DeadlineOf(timeout) };
            ObjectDisposedException.ThrowIf(!engine.Writer.Add(operation), this);
            await operation.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            throw SqliteErrors.Append(name, e);
        }
    }

    public override async Task<JournalReader> LeadAsync(CancellationToken cancellationToken)
    {
        var engine = open();
        var session = await engine.Sessions.BeginAsync().ConfigureAwait(false);
        var term = new SqliteTerm(engine, session, name);
        engine.CloseWithIt(term);
        try
        {
            await engine.Writer.AddClaimerAsync(term).ConfigureAwait(false);
            await term.Leads.WaitAsync(cancellationToken).ConfigureAwait(false);
            return term;
        }
        catch
        {
            await term.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public override async Task<ReadOnlyMemory<byte>?> AskAsync(ReadOnlyMemory<byte> question, CancellationToken cancellationToken)
    {
        try
        {
            return await (await Asker().WaitAsync(cancellationToken).ConfigureAwait(false))
                .AskAsync(question, answerTimeout, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not (OperationCanceledException or JobTransportException))
        {
            throw SqliteErrors.CannotUse(name, e);
        }
    }

    public override async ValueTask DisposeAsync()
    {
        Task<SqliteAsker>? begun;
        lock (gate)
        {
            (begun, asker) = (asker, null);
        }

        if (begun is not null)
        {
            await ((Task)begun).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await (begun.IsCompletedSuccessfully ? begun.Result.DisposeAsync() : default).ConfigureAwait(false);
        }
    }

    Task<SqliteAsker> Asker()
    {
        lock (gate)
        {
            return asker is { IsFaulted: false } begun ? begun : asker = SqliteAsker.BeginAsync(open(), name);
        }
    }
}

/// <summary>One term of a reader, or the wait for it.</summary>
sealed class SqliteTerm(Engine engine, Session session, string name) : JournalReader, IClaimer
{
    readonly Channel<JournalRecord> arriving = Channel.CreateUnbounded<JournalRecord>();
    readonly TaskCompletionSource leads = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly CancellationTokenSource over = new();
    readonly List<JournalRecord> found = []; // by the transaction under way; questions after records
    IReadOnlyList<JournalRecord> backlog = [];
    bool isLeading; // these on the writer's thread
    bool willLead;
    bool mayHaveMore = true;
    (long Record, long Question) lastFound;
    (long Record, long Question) lastCommitted; // lastFound of the last transaction that is in the file
    int closing;

    /// <summary>Ends when this process is the reader.</summary>
    public Task Leads => leads.Task;

    public override IReadOnlyList<JournalRecord> Backlog => backlog;

    public override bool HasReadAll => true;

    public override CancellationToken Lost => over.Token;

    public override string LostReason => "its term was ended";

    public override bool HoldsOldRecords => false;

    public override async ValueTask<JournalRecord> NextAsync(CancellationToken cancellationToken)
    {
        using var both = CancellationTokenSource.CreateLinkedTokenSource(over.Token, cancellationToken);
        return await arriving.Reader.ReadAsync(both.Token).ConfigureAwait(false);
    }

    // A record that is forgotten and comes again does no harm, so the disk need not have the change.
    public override ValueTask ForgetAsync(IReadOnlyCollection<long> handles, CancellationToken cancellationToken) =>
        WriteAsync(handles, [], needsSync: false);

    public override ValueTask RewriteAsync(
        IReadOnlyCollection<long> handles, IReadOnlyList<ReadOnlyMemory<byte>> records, CancellationToken cancellationToken) =>
        WriteAsync(handles, records, needsSync: true);

    public override async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref closing, 1) == 1)
        {
            return;
        }

        engine.ClosedBefore(this);
        leads.TrySetCanceled();
        await over.CancelAsync().ConfigureAwait(false);
        await engine.Writer.RemoveClaimerAsync(this).ConfigureAwait(false);
        await engine.Sessions.EndAsync(session).ConfigureAwait(false);
    }

    async ValueTask WriteAsync(IReadOnlyCollection<long> handles, IReadOnlyList<ReadOnlyMemory<byte>> records, bool needsSync)
    {
        try
        {
            await engine.Writer.DoAsync(
                tables =>
                {
                    var journal = tables.Journals.Journal(name);
                    foreach (var record in records)
                    {
                        tables.Journals.Add(journal, record.Span);
                    }

                    foreach (var handle in handles)
                    {
                        tables.Journals.Remove(handle);
                    }

                    return true;
                },
                needsSync).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            throw SqliteErrors.Append(name, e);
        }
    }

    bool IClaimer.Wants(Tables tables) => mayHaveMore && Volatile.Read(ref closing) == 0 && tables.Journals.Find(name) is { } journal
        && (isLeading ? tables.Journals.HasAfter(journal, lastFound) : tables.Journals.HasNoLeader(journal));

    void IClaimer.Claim(Tables tables)
    {
        mayHaveMore |= tables.JournalsChanged;
        if (!mayHaveMore || Volatile.Read(ref closing) == 1)
        {
            return;
        }

        mayHaveMore = false;
        var journal = tables.Journals.Journal(name);
        if (isLeading || (willLead = tables.Journals.TryLead(journal, session.No)))
        {
            found.AddRange(tables.Journals.After(journal, lastFound.Record));
            lastFound.Record = found.Count > 0 ? found[^1].Handle : lastFound.Record;
            foreach (var (no, question) in tables.Journals.Questions(journal, lastFound.Question))
            {
                found.Add(new(0, question) { AnswerAsync = answer => AnswerAsync(no, answer) });
                lastFound.Question = no;
            }
        }
    }

    void IClaimer.Claimed(bool committed)
    {
        if (!committed)
        {
            // Numbers that were given in the transaction are given again, to other records.
            (mayHaveMore, lastFound) = (true, lastCommitted);
        }
        else if (isLeading || willLead)
        {
            Deliver();
            lastCommitted = lastFound;
        }

        willLead = false;
        found.Clear();
    }

    void IClaimer.LookAgain() => mayHaveMore = true;

    void Deliver()
    {
        IEnumerable<JournalRecord> items = found;
        if (!isLeading)
        {
            isLeading = true;
            backlog = [.. found.Where(item => item.AnswerAsync is null)];
            items = found.Where(item => item.AnswerAsync is not null);
        }

        foreach (var item in items)
        {
            arriving.Writer.TryWrite(item);
        }

        leads.TrySetResult();
    }

    // Whatever fails is dropped: the asker asks again.
    async Task AnswerAsync(long question, ReadOnlyMemory<byte> answer)
    {
        try
        {
            await engine.Writer.DoAsync(
                tables =>
                {
                    tables.Journals.Answer(question, answer.Span);
                    return true;
                },
                needsSync: false).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // As above.
        }
    }
}
