using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;

namespace Jobs.Sqlite;

/// <summary>The thread that writes to the database; there is one in each process.</summary>
/// <remarks>
/// 1. Callers add operations, and wait. 2. The thread takes all operations that came while it was busy with the former
/// transaction, and executes them in one transaction: group commit, without a timer. 3. Workers that have room
/// for messages claim them in the same transaction. 4. One commit writes all of it, and then all callers hear of it.
/// The commit waits for the disk if one of the operations needs that. When a transaction of several operations fails
/// and is certainly not in the file, each operation is tried again in a transaction of its own: an operation that
/// cannot succeed must not fail the others.
/// </remarks>
sealed partial class Writer : IAsyncDisposable
{
    const int MostOperations = 1024;
    const int MostYields = 50; // about 20 microseconds where nothing else runs; counted, because a clock may stand still
    static readonly TimeSpan afterFailure = TimeSpan.FromMilliseconds(50);
    static readonly TimeSpan closingTime = TimeSpan.FromSeconds(5);
    static readonly TimeSpan betweenSweeps = TimeSpan.FromMilliseconds(250);

    readonly DatabaseFile file;
    readonly TimeProvider time;
    readonly Action<Tables> ringOthers;
    readonly Action<long> armDue;
    readonly ILogger logger;
    readonly Thread thread;
    readonly ITimer sweeping;
    readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly object gate = new();
    readonly List<WriteOperation> waiting = [];
    readonly List<WriteOperation> batch = [];
    readonly List<IClaimer> claimers = [];
    readonly Database database;
    readonly Tables tables;
    bool woken;
    bool look;
    bool sweeps; // only while operations wait: an idle process sleeps
    bool closing;
    long closingSince;
    long nextDue = long.MaxValue;
    int sinceCheckpoint;
    int expected; // how many operations waited or were under way at the end of the last transaction
    bool failing;
    bool pause;
    volatile bool isLocked; // another connection writes, and we wait for our turn

    /// <param name="file">The file. The writer closes its connection.</param>
    /// <param name="time">The clock.</param>
    /// <param name="ringOthers">Called after a commit that other processes may want to hear of.</param>
    /// <param name="armDue">Called with the time when the next delayed message is due.</param>
    /// <param name="logger">For changes of state.</param>
    public Writer(DatabaseFile file, TimeProvider time, Action<Tables> ringOthers, Action<long> armDue, ILogger logger)
    {
        (this.file, this.time, this.ringOthers, this.armDue, this.logger) = (file, time, ringOthers, armDue, logger);
        database = file.Database;
        database.Execute($"PRAGMA wal_autocheckpoint={CheckpointPages}");
        file.Watch();
        tables = new(database);
        database.CompileAll();
        sweeping = time.CreateTimer(_ => Sweep(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        thread = new(Run) { IsBackground = true, Name = "Jobs SQLite writer" };
        thread.Start();
    }

    /// <summary>How many operations wait.</summary>
    public int Pending
    {
        get
        {
            lock (gate)
            {
                return waiting.Count + batch.Count;
            }
        }
    }

    /// <summary>For how long the oldest operation has waited.</summary>
    public TimeSpan Lag
    {
        get
        {
            lock (gate)
            {
                var oldest = batch.Count > 0 ? batch[0] : waiting.FirstOrDefault();
                return oldest is null ? TimeSpan.Zero : time.GetElapsedTime(oldest.AddedAt);
            }
        }
    }

    /// <summary>Why the last transaction failed; <see langword="null"/> after a success.</summary>
    public string? Problem { get; private set; }

    /// <summary>Since when; only with a <see cref="Problem"/>.</summary>
    public long ProblemSince { get; private set; }

    /// <summary>
    /// For tests: called with "executed" before the commit of a transaction, and with "committed" after it, before any
    /// caller hears of it.
    /// </summary>
    internal Action<string, IReadOnlyList<WriteOperation>>? Checkpoint { get; set; }

    long Now => time.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>Adds an operation.</summary>
    /// <returns>Whether the writer took it; after its end it takes none.</returns>
    public bool Add(WriteOperation operation)
    {
        lock (gate)
        {
            if (closing)
            {
                return false;
            }

            operation.AddedAt = time.GetTimestamp();
            waiting.Add(operation);
            if (!sweeps)
            {
                sweeps = sweeping.Change(betweenSweeps, betweenSweeps);
            }

            Monitor.Pulse(gate);
            return true;
        }
    }

    public Task<T> DoAsync<T>(Func<Tables, T> execute, bool needsSync)
    {
        var operation = new AwaitedOperation<T>(execute, needsSync);
        return Add(operation) ? operation.Task : Task.FromException<T>(new ObjectDisposedException("SqliteTransport"));
    }

    public Task AddClaimerAsync(IClaimer claimer)
    {
        var operation = new ClaimerOperation(claimers, claimer, adds: true);
        return Add(operation) ? operation.Task : Task.FromException(new ObjectDisposedException("SqliteTransport"));
    }

    /// <summary>Removes a claimer. When the task completes, the claimer's last transaction is over.</summary>
    public Task RemoveClaimerAsync(IClaimer claimer)
    {
        // Not for ever: whoever keeps the file locked may wait for the one that stops.
        var operation = new ClaimerOperation(claimers, claimer, adds: false)
        {
            Deadline = time.GetTimestamp() + (long)(closingTime.TotalSeconds * time.TimestampFrequency),
        };
        return Add(operation) ? operation.Task : Task.CompletedTask;
    }

    /// <summary>Lets the thread look for work: somebody has room for messages, or a delay may be over.</summary>
    /// <param name="others">Whether other processes may have added something.</param>
    public void Wake(bool others)
    {
        lock (gate)
        {
            woken = true;
            look |= others;
            Monitor.Pulse(gate);
        }
    }

    public async ValueTask DisposeAsync()
    {
        lock (gate)
        {
            if (!closing)
            {
                (closing, closingSince) = (true, time.GetTimestamp());
            }

            Monitor.Pulse(gate);
        }

        await ended.Task.ConfigureAwait(false);
        await sweeping.DisposeAsync().ConfigureAwait(false);
    }

    void Run()
    {
        try
        {
            while (WaitForWork())
            {
                Work();
            }
        }
        finally
        {
            Close();
        }
    }

    bool WaitForWork()
    {
        lock (gate)
        {
            if (pause)
            {
                pause = false;
                Monitor.Wait(gate, afterFailure);
            }

            while (waiting.Count == 0 && !woken && !closing)
            {
                Monitor.Wait(gate);
            }

            if (look)
            {
                claimers.ForEach(claimer => claimer.LookAgain());
            }

            (woken, look) = (false, false);
            return !closing || (waiting.Count > 0 && time.GetElapsedTime(closingSince) < closingTime);
        }
    }

    // Whoever heard of the last commit is likely to come again at once. A commit for all costs the disk as much as a
    // commit for the first of them, so the thread lets all come, as long as more of them come.
    void LetOthersCome()
    {
        var seen = 0;
        for (var yields = 0; yields < MostYields; yields++)
        {
            int count;
            lock (gate)
            {
                count = waiting.Count;
            }

            if (count >= expected || closing)
            {
                return;
            }

            if (count > seen)
            {
                (seen, yields) = (count, 0);
            }

            Thread.Yield();
        }
    }

    void Work()
    {
        LetOthersCome();
        try
        {
            if (!HasWork() || !TryBegin(NeedsSync()))
            {
                return;
            }

            Take();
            Transact();
        }
        catch (Exception e)
        {
            Failed(e);
            return;
        }

        Succeeded();
    }

    // Gives operations up whose time is over.
    void Sweep()
    {
        var now = time.GetTimestamp();
        lock (gate)
        {
            foreach (var operation in waiting.Concat(batch).Where(o => o.Deadline <= now))
            {
                operation.GiveUp(new TimeoutException(Problem ?? (isLocked ? SqliteErrors.Locked : "the writer has not come to it in time")));
            }

            waiting.RemoveAll(o => o.IsOver);
            if (waiting.Count + batch.Count == 0)
            {
                sweeps = !sweeping.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            }
        }
    }

    void Close()
    {
        lock (gate)
        {
            closing = true;
            foreach (var operation in waiting.Concat(batch))
            {
                operation.GiveUp(new ObjectDisposedException("SqliteTransport"));
            }

            waiting.Clear();
        }

        try
        {
            database.Checkpoint(truncate: true);
        }
        catch (SqliteException)
        {
            // The log keeps what is in it. SQLite moves it into the database at a later checkpoint.
        }

        database.Dispose();
        ended.TrySetResult();
    }
}
