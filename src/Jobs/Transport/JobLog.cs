using System.Diagnostics.CodeAnalysis;

namespace Jobs.Transport;

/// <summary>
/// Entries that are kept for a while, for any number of readers: the history of events. The log may drop entries, so
/// nothing that must not be lost belongs here. A reader returns entries in the order of their positions.
/// </summary>
[Experimental("JOBS0001")]
public abstract class JobLog
{
    /// <summary>
    /// Whether the log keeps by itself what processes send as events. Then <see cref="AppendAsync"/> does nothing, and
    /// who has sent an event must not append the event too. Defaults to <see langword="false"/>.
    /// </summary>
    public virtual bool IsFedByBroadcast => false;

    /// <summary>How many entries this process has dropped, because they could not be written in time.</summary>
    public virtual long Dropped => 0;

    /// <summary>
    /// Why the log is off or may lack entries, as a part of a sentence; <see langword="null"/> when it works.
    /// </summary>
    public virtual string? Problem => null;

    /// <summary>
    /// Adds entries. Waits for no disk and no broker, and never throws because of them: when the log cannot take more,
    /// the entries are dropped and counted. An entry may be lost when the machine loses its power.
    /// </summary>
    /// <param name="entries">Any bytes. The log keeps the memory, so the caller must not write to it again.</param>
    /// <param name="cancellationToken">Gives the call up; entries may have been added.</param>
    public abstract ValueTask AppendAsync(IReadOnlyList<ReadOnlyMemory<byte>> entries, CancellationToken cancellationToken);

    /// <summary>Where the log begins and ends now.</summary>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="JobTransportException">The log cannot be read, for good or for now.</exception>
    public abstract ValueTask<LogExtent> ExtentAsync(CancellationToken cancellationToken);

    /// <summary>Begins to read. The reader goes on with new entries as they arrive.</summary>
    public abstract LogReader Read(LogStart start);
}

/// <summary>Reads a log, and follows it. One caller at a time.</summary>
[Experimental("JOBS0001")]
public abstract class LogReader : IAsyncDisposable
{
    /// <summary>
    /// The next entries, oldest first; waits until there is one. Over a broker, a reader outlives its connection. When
    /// the log was deleted and made anew, the reader begins again, and the positions are lower than before.
    /// </summary>
    /// <param name="cancellationToken">Gives the call up, also when there are entries, and loses no entry.</param>
    /// <exception cref="JobTransportException">The log cannot be read. A later call may succeed.</exception>
    /// <exception cref="ObjectDisposedException">The reader or its transport is closed.</exception>
    public abstract ValueTask<IReadOnlyList<LogEntry>> NextAsync(CancellationToken cancellationToken);

    /// <summary>Ends the reader.</summary>
    public abstract ValueTask DisposeAsync();
}

/// <summary>One entry of a log.</summary>
/// <param name="Position">Its place: higher than that of every entry before it.</param>
/// <param name="Time">
/// When the entry was added; <see langword="null"/> when the log does not know. The entry itself may say more.
/// </param>
/// <param name="Bytes">What was added.</param>
[Experimental("JOBS0001")]
public readonly record struct LogEntry(long Position, DateTimeOffset? Time, ReadOnlyMemory<byte> Bytes);

/// <summary>Where a log begins and ends.</summary>
/// <param name="First">The position of the oldest entry.</param>
/// <param name="Next">A position behind the newest entry. Equal to <paramref name="First"/> when the log is empty.</param>
[Experimental("JOBS0001")]
public readonly record struct LogExtent(long First, long Next);

/// <summary>Where a reader begins. The default is the oldest entry.</summary>
[Experimental("JOBS0001")]
public readonly record struct LogStart
{
    /// <summary>The oldest entry that the log still has.</summary>
    public static LogStart Beginning => default;

    /// <summary>The time to begin at, if a time was given.</summary>
    public DateTimeOffset? Time { get; private init; }

    /// <summary>The position to begin at, if a position was given.</summary>
    public long? Position { get; private init; }

    /// <summary>The entries since that time. Some entries that are a little older may come first.</summary>
    public static LogStart At(DateTimeOffset time) => new() { Time = time };

    /// <summary>The entry at that position, or the next one that the log still has.</summary>
    public static LogStart From(long position) => new() { Position = position };
}
