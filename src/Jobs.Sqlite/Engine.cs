using Jobs.Transport;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;

namespace Jobs.Sqlite;

/// <summary>
/// The parts that work on one file in one process: the writer, the sessions, the doorbell, and the clock.
/// </summary>
sealed class Engine : IAsyncDisposable
{
    /// <summary>Names of quarantine queues begin so; the rest is the name of the queue.</summary>
    public const string QuarantinePrefix = "jobs.quarantine.";

    // How often each process looks at the file and at the other sessions by itself. A clock that is set forward makes
    // delays end this much too late at most.
    static readonly TimeSpan look = TimeSpan.FromSeconds(1);

    // After so many looks, expired results and old history are removed; at each look while there are many.
    const int LooksBetweenPrunes = 60;

    // How often the transactions of the application are looked at, while there are any.
    static readonly TimeSpan watch = TimeSpan.FromMilliseconds(2);

    // What timestamps can count without an overflow.
    static readonly TimeSpan farAway = TimeSpan.FromDays(10_000);

    readonly Doorbell doorbell;
    readonly ITimer looking;
    readonly ITimer due;
    readonly ITimer watching;
    readonly HashSet<SqliteTransaction> guests = [];
    readonly HashSet<IAsyncDisposable> open = [];
    readonly Lock gate = new();
    readonly ILogger logger;
    Statement? findBells; // on the writer's thread only
    int burying;
    int looks;
    volatile bool prunesMore;
    volatile bool hasWarned;

    public Engine(DatabaseFile file, TimeProvider time, ILogger logger)
    {
        (File, Time, this.logger) = (file, time, logger);
        doorbell = new(file.Sessions, () => Writer?.Wake(others: true), () => _ = BuryAsync(), time, logger);
        due = time.CreateTimer(_ => Writer?.Wake(others: false), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        Writer = new(file, time, RingOthers, ArmDue, logger);
        (Reader, HistoryReader, InspectionReader) = (new(file), new(file), new(file));
        Sessions = new(Writer, file, doorbell, time, logger);
        watching = time.CreateTimer(_ => WatchGuests(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        looking = time.CreateTimer(_ => Look(), null, look, look);
    }

    public DatabaseFile File { get; }

    public TimeProvider Time { get; }

    public Writer Writer { get; }

    public ReadConnection Reader { get; }

    /// <summary>Another connection, because who reads the history reads much at once.</summary>
    public ReadConnection HistoryReader { get; }

    /// <summary>Another one, because a look at all queues may take a moment.</summary>
    public ReadConnection InspectionReader { get; }

    public Sessions Sessions { get; }

    /// <summary>Removes some old entries of the history, and returns whether there may be more.</summary>
    public Func<Tables, long, bool> PruneHistory { get; init; } = (_, _) => false;

    /// <summary>Milliseconds since 1970.</summary>
    public long Now => Time.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>The timestamp when a call with this time-out is given up.</summary>
    public long DeadlineOf(TimeSpan timeout) => timeout == Timeout.InfiniteTimeSpan || timeout > farAway
        ? long.MaxValue
        : Time.GetTimestamp() + (long)(timeout.TotalSeconds * Time.TimestampFrequency);

    /// <summary>
    /// Wakes all workers when a transaction of the application has ended. SQLite tells nobody of it, but its object
    /// forgets its connection, which costs little to ask.
    /// </summary>
    public void WakeAfter(SqliteTransaction transaction)
    {
        lock (gate)
        {
            if (guests.Add(transaction) && guests.Count == 1)
            {
                watching.Change(watch, watch);
            }
        }
    }

    /// <summary>Warns once when a connection of the application does not sync its commits.</summary>
    public void WarnOfWeakSync(Database database)
    {
        const int Full = 2;
        if (!hasWarned && database.Single("PRAGMA synchronous") < Full)
        {
            hasWarned = true;
            Log.WeakSync(logger, File.Path);
        }
    }

    /// <summary>Closes something together with the engine.</summary>
    public void CloseWithIt(IAsyncDisposable part)
    {
        lock (gate)
        {
            open.Add(part);
        }
    }

    /// <summary>Says that a part has been closed, so the engine need not close it.</summary>
    public void ClosedBefore(IAsyncDisposable part)
    {
        lock (gate)
        {
            open.Remove(part);
        }
    }

    public TransportHealth Health() => File.Describe(new()
    {
        Connection = Writer.Problem is { } problem
            ? new(IsUp: false, Time.GetElapsedTime(Writer.ProblemSince), problem)
            : new(IsUp: true, TimeSpan.Zero),
        Pending = Writer.Pending,
        ConfirmLatency = Writer.Lag,
    });

    public async ValueTask DisposeAsync()
    {
        IAsyncDisposable[] left;
        lock (gate)
        {
            left = [.. open];
        }

        foreach (var part in left)
        {
            await part.DisposeAsync().ConfigureAwait(false);
        }

        await looking.DisposeAsync().ConfigureAwait(false);
        await due.DisposeAsync().ConfigureAwait(false);
        await watching.DisposeAsync().ConfigureAwait(false);
        Reader.Dispose();
        HistoryReader.Dispose();
        InspectionReader.Dispose();
        await Writer.DisposeAsync().ConfigureAwait(false);
        await doorbell.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Looks for other processes now: from then on, each hears at once when the other one ends.</summary>
    public void MeetOthers() => _ = BuryAsync();

    /// <summary>Removes some results that have expired, some events that are old, and some old history.</summary>
    public async Task PruneAsync()
    {
        try
        {
            prunesMore = await Writer.DoAsync(
                tables => tables.Results.Prune(Now) | tables.Events.Prune(Now) | PruneHistory(tables, Now), needsSync: false).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // The writer has said why it cannot write. A later look tries again.
        }
    }

    void Look()
    {
        Writer.Wake(others: true);
        _ = BuryAsync();
        if (Sessions.HasOwn && ++looks % (prunesMore ? 1 : LooksBetweenPrunes) == 0)
        {
            _ = PruneAsync();
        }
    }

    void WatchGuests()
    {
        lock (gate)
        {
            if (guests.RemoveWhere(transaction => transaction.Connection is null) == 0)
            {
                return;
            }

            if (guests.Count == 0)
            {
                watching.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            }
        }

        Writer.Wake(others: true);
        _ = TellAllAsync();
    }

    async Task TellAllAsync()
    {
        try
        {
            await Writer.DoAsync(tables => tables.ConcernsAll = true, needsSync: false).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // They look by themselves within a second.
        }
    }

    async Task BuryAsync()
    {
        if (!Sessions.HasOwn || Interlocked.Exchange(ref burying, 1) == 1)
        {
            return;
        }

        try
        {
            await Sessions.BuryDeadAsync().ConfigureAwait(false);
        }
        catch (Exception)
        {
            // The writer has said why it cannot write. The next look tries again.
        }
        finally
        {
            Volatile.Write(ref burying, 0);
        }
    }

    // On the writer's thread, after a commit that others may want to hear of.
    void RingOthers(Tables tables)
    {
        findBells ??= tables.Database.Prepare("SELECT DISTINCT bell FROM jobs_session");
        var bells = new List<string>();
        while (findBells.Step())
        {
            bells.Add(findBells.Text(0));
        }

        doorbell.Ring(bells);
    }

    // On the writer's thread. A delay that ends later than the next look is armed by a later look: a clock that was set
    // back or forth meanwhile is then known.
    void ArmDue(long next)
    {
        var left = next - Math.Min(next, Now);
        due.Change(left <= look.TotalMilliseconds ? TimeSpan.FromMilliseconds(left) : Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }
}
