using System.Diagnostics.CodeAnalysis;

namespace Jobs.Transport;

/// <summary>
/// A durable list of records. Any process may add to it, and one process at a time reads it: the beats of an
/// application agree through it. A reader may get records in any order, and some more than once, so records must be
/// such that merging them in any order gives the same.
/// </summary>
[Experimental("JOBS0001")]
public abstract class JobJournal : IAsyncDisposable
{
    /// <summary>Adds a record; it is durable when this returns.</summary>
    /// <param name="record">What to add; any bytes.</param>
    /// <param name="timeout">After this the call fails; the record may have been added.</param>
    /// <param name="cancellationToken">Gives the call up; the record may have been added.</param>
    /// <exception cref="JobPublishException">It was not, or may not have been, added.</exception>
    public abstract ValueTask AppendAsync(ReadOnlyMemory<byte> record, TimeSpan timeout, CancellationToken cancellationToken);

    /// <summary>Waits until this process is the reader, and has read what there is.</summary>
    public abstract Task<JournalReader> LeadAsync(CancellationToken cancellationToken);

    /// <summary>Reads the records without becoming the reader: at least all that were added before the call.</summary>
    /// <param name="timeout">After this the call fails.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="JobTransportException">The records could not be read within the time-out.</exception>
    public abstract Task<IReadOnlyList<ReadOnlyMemory<byte>>> ReadAsync(TimeSpan timeout, CancellationToken cancellationToken);

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
    public abstract IReadOnlyList<ReadOnlyMemory<byte>> Backlog { get; }

    /// <summary>Fires when another process may have become the leader.</summary>
    public abstract CancellationToken Lost { get; }

    /// <summary>Why it was lost, in a few words.</summary>
    public abstract string LostReason { get; }

    /// <summary>Whether <see cref="CompactAsync"/> should be called now: there are many records, or old ones.</summary>
    public abstract bool ShouldCompact { get; }

    /// <summary>
    /// The next record; an empty one is no record, but an occasion to look at <see cref="ShouldCompact"/>.
    /// </summary>
    /// <exception cref="OperationCanceledException">The term is over, or the token fired.</exception>
    public abstract ValueTask<ReadOnlyMemory<byte>> NextAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Puts these records in the place of all that have been read so far: first these are added, then those are
    /// removed.
    /// </summary>
    /// <exception cref="JobPublishException">Some could not be added; nothing was removed.</exception>
    public abstract ValueTask CompactAsync(IReadOnlyList<ReadOnlyMemory<byte>> snapshot, CancellationToken cancellationToken);

    /// <summary>Ends the term; another process goes on at once.</summary>
    public abstract ValueTask DisposeAsync();
}
