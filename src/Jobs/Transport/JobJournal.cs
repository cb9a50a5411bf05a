using System.Diagnostics.CodeAnalysis;

namespace Jobs.Transport;

/// <summary>
/// A durable list of records. Any process may add to it, and one process at a time reads it, the leader. The beats of
/// an application agree through a journal, and so do its keepers. A reader may get records in any order, and some more
/// than once, so records must be such that merging them in any order gives the same.
/// </summary>
[Experimental("JOBS0001")]
public abstract class JobJournal : IAsyncDisposable
{
    /// <summary>Adds a record; it is durable when this returns.</summary>
    /// <param name="record">What to add; any bytes, at least one.</param>
    /// <param name="timeout">After this the call fails; the record may have been added.</param>
    /// <param name="cancellationToken">Gives the call up; the record may have been added.</param>
    /// <exception cref="JobPublishException">It was not, or may not have been, added.</exception>
    public abstract ValueTask AppendAsync(ReadOnlyMemory<byte> record, TimeSpan timeout, CancellationToken cancellationToken);

    /// <summary>Waits until this process is the reader, and has read what there is.</summary>
    public abstract Task<JournalReader> LeadAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Asks the reader. The reader gets the question after all records that were added before the call.
    /// </summary>
    /// <param name="question">Any bytes, of at most 64 KiB.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>
    /// The answer, of any size; <see langword="null"/> when nobody has answered. Then nobody reads, or the reader has
    /// just ended. The transport decides how long it waits, at most a few seconds.
    /// </returns>
    /// <exception cref="JobTransportException">The transport could not ask.</exception>
    public abstract Task<ReadOnlyMemory<byte>?> AskAsync(ReadOnlyMemory<byte> question, CancellationToken cancellationToken);

    /// <inheritdoc/>
    public abstract ValueTask DisposeAsync();
}

/// <summary>
/// One term of leadership. When a network breaks, two processes may believe for a while that they lead, so the work of
/// a leader must bear being done twice.
/// </summary>
[Experimental("JOBS0001")]
public abstract class JournalReader : IAsyncDisposable
{
    /// <summary>Everything there was when the term began.</summary>
    public abstract IReadOnlyList<JournalRecord> Backlog { get; }

    /// <summary>
    /// Whether <see cref="Backlog"/> has all records that there were. A transport that cannot hand over so many records
    /// at once hands over the rest through <see cref="NextAsync"/>, as the reader forgets the first ones.
    /// </summary>
    public abstract bool HasReadAll { get; }

    /// <summary>Fires when another process may have become the leader.</summary>
    public abstract CancellationToken Lost { get; }

    /// <summary>Why it was lost, in a few words.</summary>
    public abstract string LostReason { get; }

    /// <summary>
    /// Whether the transport should not keep some record for much longer. The reader then rewrites all records, or,
    /// when these are many, ends the term and begins another.
    /// </summary>
    public abstract bool HoldsOldRecords { get; }

    /// <summary>
    /// The next record or question. An item without bytes is an occasion to look at <see cref="HoldsOldRecords"/>.
    /// </summary>
    /// <exception cref="OperationCanceledException">The term is over, or the token fired.</exception>
    public abstract ValueTask<JournalRecord> NextAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Removes records. When this fails, or the process dies, the next reader may get them again.
    /// </summary>
    /// <param name="handles">The handles of records that this reader has read and not yet forgotten.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    public abstract ValueTask ForgetAsync(IReadOnlyCollection<long> handles, CancellationToken cancellationToken);

    /// <summary>
    /// Puts records in the place of others: first these are added, then those are removed. The reader gets the added
    /// records like any others.
    /// </summary>
    /// <param name="handles">The handles of the records to remove.</param>
    /// <param name="records">The records to add; an entry of a large state should share a record with others.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="JobPublishException">Some could not be added; nothing was removed.</exception>
    public abstract ValueTask RewriteAsync(
        IReadOnlyCollection<long> handles, IReadOnlyList<ReadOnlyMemory<byte>> records, CancellationToken cancellationToken);

    /// <summary>Ends the term; another process goes on at once.</summary>
    public abstract ValueTask DisposeAsync();
}

/// <summary>One item of a journal, as its reader gets it.</summary>
/// <param name="Handle">What the reader calls the record when it is to be removed; 0 for what is no record.</param>
/// <param name="Bytes">The record, or the question.</param>
[Experimental("JOBS0001")]
public readonly record struct JournalRecord(long Handle, ReadOnlyMemory<byte> Bytes)
{
    /// <summary>
    /// Answers the question; never fails. <see langword="null"/> for a record. The answer must have at least one byte.
    /// </summary>
    public Func<ReadOnlyMemory<byte>, Task>? AnswerAsync { get; init; }
}
