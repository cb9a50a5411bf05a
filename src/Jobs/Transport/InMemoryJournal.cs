using System.Threading.Channels;

namespace Jobs.Transport;

/// <summary>A journal in this process's memory: the reference implementation of the contract.</summary>
sealed class InMemoryJournal : JobJournal
{
    const int Many = 64;

    readonly Lock gate = new();
    readonly SemaphoreSlim leader = new(1);
    readonly List<ReadOnlyMemory<byte>> records = [];
    Term? term;
    int standingBy;

    /// <summary>How many wait to lead; for tests.</summary>
    internal int StandingBy => Volatile.Read(ref standingBy);

    public override ValueTask AppendAsync(ReadOnlyMemory<byte> record, TimeSpan timeout, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (gate)
        {
            records.Add(record);
            term?.Arrived(record);
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
            return term = new(this, [.. records]);
        }
    }

    public override Task<IReadOnlyList<ReadOnlyMemory<byte>>> ReadAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (gate)
        {
            return Task.FromResult<IReadOnlyList<ReadOnlyMemory<byte>>>([.. records]);
        }
    }

    /// <summary>Ends the present term as a lost connection would; for tests.</summary>
    internal ValueTask DeposeAsync() => term?.DisposeAsync() ?? default;

    // Shared by all who opened it; it ends with its transport.
    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;

    sealed class Term(InMemoryJournal journal, IReadOnlyList<ReadOnlyMemory<byte>> backlog) : JournalReader
    {
        readonly Channel<ReadOnlyMemory<byte>> arriving = Channel.CreateUnbounded<ReadOnlyMemory<byte>>();
        readonly CancellationTokenSource over = new();
        int read = backlog.Count;
        int ended;

        public override IReadOnlyList<ReadOnlyMemory<byte>> Backlog => backlog;

        public override CancellationToken Lost => over.Token;

        public override string LostReason => "its term was ended";

        public override bool ShouldCompact => read > Many;

        public void Arrived(ReadOnlyMemory<byte> record) => arriving.Writer.TryWrite(record);

        public override async ValueTask<ReadOnlyMemory<byte>> NextAsync(CancellationToken cancellationToken)
        {
            using var both = CancellationTokenSource.CreateLinkedTokenSource(over.Token, cancellationToken);
            var record = await arriving.Reader.ReadAsync(both.Token).ConfigureAwait(false);
            read++;
            return record;
        }

        public override ValueTask CompactAsync(IReadOnlyList<ReadOnlyMemory<byte>> snapshot, CancellationToken cancellationToken)
        {
            lock (journal.gate)
            {
                journal.records.RemoveRange(0, read);
                journal.records.InsertRange(0, snapshot);
                read = snapshot.Count;
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
