using System.Threading.Channels;

namespace Jobs.Transport;

/// <summary>A journal in this process's memory: the reference implementation of the contract.</summary>
sealed class InMemoryJournal : JobJournal
{
    readonly Lock gate = new();
    readonly SemaphoreSlim leader = new(1);
    readonly SortedDictionary<long, ReadOnlyMemory<byte>> records = [];
    Term? term;
    long last;
    int standingBy;

    /// <summary>How many wait to lead; for tests.</summary>
    internal int StandingBy => Volatile.Read(ref standingBy);

    /// <summary>How many records there are; for tests.</summary>
    internal int Count
    {
        get
        {
            lock (gate)
            {
                return records.Count;
            }
        }
    }

    public override ValueTask AppendAsync(ReadOnlyMemory<byte> record, TimeSpan timeout, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (gate)
        {
            Add(record);
        }

        return ValueTask.CompletedTask;
    }

    public override async Task<JournalReader> LeadAsync(CancellationToken cancellationToken)
    {
        var turn = leader.WaitAsync(cancellationToken);
        Interlocked.Increment(ref standingBy);
        try
        {
            await turn.ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref standingBy);
        }

        lock (gate)
        {
            return term = new(this, [.. records.Select(record => new JournalRecord(record.Key, record.Value))]);
        }
    }

    public override async Task<ReadOnlyMemory<byte>?> AskAsync(ReadOnlyMemory<byte> question, CancellationToken cancellationToken)
    {
        Term? asked;
        var answer = new TaskCompletionSource<ReadOnlyMemory<byte>?>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (gate)
        {
            asked = term;
            asked?.Arrived(new(0, question)
            {
                AnswerAsync = bytes =>
                {
                    answer.TrySetResult(bytes);
                    return Task.CompletedTask;
                },
            });
        }

        if (asked is null)
        {
            return null;
        }

        using var over = asked.Lost.UnsafeRegister(_ => answer.TrySetResult(null), null);
        return await answer.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Ends the present term as a lost connection would; for tests.</summary>
    internal ValueTask DeposeAsync() => term?.DisposeAsync() ?? default;

    // Shared by all who opened it; it ends with its transport.
    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;

    void Add(ReadOnlyMemory<byte> record)
    {
        records[++last] = record;
        term?.Arrived(new(last, record));
    }

    sealed class Term(InMemoryJournal journal, IReadOnlyList<JournalRecord> backlog) : JournalReader
    {
        readonly Channel<JournalRecord> arriving = Channel.CreateUnbounded<JournalRecord>();
        readonly CancellationTokenSource over = new();
        int ended;

        public override IReadOnlyList<JournalRecord> Backlog => backlog;

        public override bool HasReadAll => true;

        public override CancellationToken Lost => over.Token;

        public override string LostReason => "its term was ended";

        public override bool HoldsOldRecords => false;

        public void Arrived(JournalRecord record) => arriving.Writer.TryWrite(record);

        public override async ValueTask<JournalRecord> NextAsync(CancellationToken cancellationToken)
        {
            using var both = CancellationTokenSource.CreateLinkedTokenSource(over.Token, cancellationToken);
            return await arriving.Reader.ReadAsync(both.Token).ConfigureAwait(false);
        }

        public override ValueTask ForgetAsync(IReadOnlyCollection<long> handles, CancellationToken cancellationToken) =>
            RewriteAsync(handles, [], cancellationToken);

        public override ValueTask RewriteAsync(
            IReadOnlyCollection<long> handles, IReadOnlyList<ReadOnlyMemory<byte>> records, CancellationToken cancellationToken)
        {
            lock (journal.gate)
            {
                foreach (var record in records)
                {
                    journal.Add(record);
                }

                foreach (var handle in handles)
                {
                    journal.records.Remove(handle);
                }
            }

            return ValueTask.CompletedTask;
        }

        public override async ValueTask DisposeAsync()
        {
            if (Interlocked.Exchange(ref ended, 1) == 1)
            {
                return;
            }

            lock (journal.gate)
            {
                journal.term = null;
            }

            await over.CancelAsync().ConfigureAwait(false);
            journal.leader.Release();
        }
    }
}
