using System.Threading.Channels;
using Jobs.Transport;

namespace Jobs.Sqlite;

/// <summary>A journal in a table. Its reader is a session, so the next one reads when the first one's process ends.</summary>
sealed class SqliteJournal(Func<Engine> open, string name) : JobJournal
{
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

    public override async Task<IReadOnlyList<ReadOnlyMemory<byte>>> ReadAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        try
        {
            var engine = open();
            var operation = new AwaitedOperation<IReadOnlyList<ReadOnlyMemory<byte>>>(
                tables => [.. tables.Journals.After(tables.Journals.Journal(name), 0).Select(record => record.Bytes)],
                needsSync: false) { Deadline = engine.DeadlineOf(timeout) };
            ObjectDisposedException.ThrowIf(!engine.Writer.Add(operation), this);
            return await operation.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not (OperationCanceledException or JobTransportException))
        {
            throw SqliteErrors.CannotUse(name, e);
        }
    }

    public override ValueTask DisposeAsync() => ValueTask.CompletedTask; // its terms end with the transport, or before
}

/// <summary>One term of a reader, or the wait for it.</summary>
sealed class SqliteTerm(Engine engine, Session session, string name) : JournalReader, IClaimer
{
    const int Many = 64;

    readonly Channel<(long Seq, ReadOnlyMemory<byte> Bytes)> arriving = Channel.CreateUnbounded<(long, ReadOnlyMemory<byte>)>();
    readonly TaskCompletionSource leads = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly CancellationTokenSource over = new();
    readonly List<(long Seq, ReadOnlyMemory<byte> Bytes)> found = []; // by the transaction under way
    List<ReadOnlyMemory<byte>> backlog = [];
    (long First, long Last) snapshot; // the numbers of the last one's records
    bool isLeading; // these on the writer's thread
    bool willLead;
    bool mayHaveMore = true;
    long lastFound;
    long lastCommitted; // lastFound of the last transaction that is in the file
    long lastRead; // these on the reader's
    int read;
    int closing;

    /// <summary>Ends when this process is the reader.</summary>
    public Task Leads => leads.Task;

    public override IReadOnlyList<ReadOnlyMemory<byte>> Backlog => backlog;

    public override CancellationToken Lost => over.Token;

    public override string LostReason => "its term was ended";

    public override bool ShouldCompact => read > Many;

    public override async ValueTask<ReadOnlyMemory<byte>> NextAsync(CancellationToken cancellationToken)
    {
        using var both = CancellationTokenSource.CreateLinkedTokenSource(over.Token, cancellationToken);
        var (seq, bytes) = await arriving.Reader.ReadAsync(both.Token).ConfigureAwait(false);
        (lastRead, read) = (seq, read + 1);
        return bytes;
    }

    public override async ValueTask CompactAsync(IReadOnlyList<ReadOnlyMemory<byte>> snapshot, CancellationToken cancellationToken)
    {
        var (upTo, former) = (lastRead, this.snapshot);
        try
        {
            this.snapshot = await engine.Writer.DoAsync(tables => Replace(tables.Journals, snapshot, upTo, former), needsSync: true).ConfigureAwait(false);
            read = 0;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            throw SqliteErrors.Append(name, e);
        }
    }

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

    bool IClaimer.Wants(Tables tables) => mayHaveMore && Volatile.Read(ref closing) == 0 && Journal(tables) is { } journal
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
            found.AddRange(tables.Journals.After(journal, lastFound));
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
            lastFound = found.Count > 0 ? found[^1].Seq : lastFound;
            Deliver();
            lastCommitted = lastFound;
        }

        willLead = false;
        found.Clear();
    }

    void IClaimer.LookAgain() => mayHaveMore = true;

    void Deliver()
    {
        if (!isLeading)
        {
            isLeading = true;
            backlog = [.. found.Select(record => record.Bytes)];
            (lastRead, read) = (lastFound, found.Count);
            leads.TrySetResult();
            return;
        }

        found.ForEach(record => arriving.Writer.TryWrite(record));
    }

    /// <summary>
    /// Adds the records of a snapshot and removes those that it replaces. What others have added meanwhile is delivered
    /// first, because the numbers of the snapshot are higher and count as found.
    /// </summary>
    (long First, long Last) Replace(JournalRows rows, IReadOnlyList<ReadOnlyMemory<byte>> records, long upTo, (long First, long Last) former)
    {
        var journal = rows.Journal(name);
        var late = rows.After(journal, lastFound);
        rows.Remove(journal, upTo, former);
        var first = 0L;
        foreach (var record in records)
        {
            lastFound = rows.Add(journal, record.Span);
            first = first == 0 ? lastFound : first;
        }

        late.ForEach(record => arriving.Writer.TryWrite(record));
        return (first, lastFound);
    }

    long? Journal(Tables tables) => tables.Journals.Find(name);
}
