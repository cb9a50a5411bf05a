using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Jobs.Sqlite;

/// <summary>One transaction, from its begin to what everybody is told of it. All on the writer's thread.</summary>
sealed partial class Writer
{
    const int CheckpointPages = 4000; // of 4 KiB: 16 MB
    const int TruncatePages = 16000;

    static readonly TimeSpan betweenTries = TimeSpan.FromMilliseconds(1);

    /// <summary>
    /// Looks before it writes: even a transaction that has nothing to do keeps other processes from writing.
    /// </summary>
    bool HasWork()
    {
        lock (gate)
        {
            if (waiting.Count > 0 || failing)
            {
                return true; // while it fails, each look tries whether it still does
            }
        }

        if (claimers.Count == 0)
        {
            return false;
        }

        LookForDue();
        return nextDue <= Now || claimers.Exists(claimer => claimer.Wants(tables));
    }

    void LookForDue()
    {
        nextDue = tables.FirstDue();
        armDue(nextDue);
    }

    bool TryBegin(bool sync)
    {
        database.SyncOnCommit(sync);
        var since = time.GetTimestamp();
        while (!database.TryBegin())
        {
            isLocked = true;

            // Another connection writes. SQLite has no line to wait in: who asks most often gets its turn.
            if (time.GetElapsedTime(since) > TimeSpan.FromSeconds(1))
            {
                Troubled(SqliteErrors.Locked);
            }

            lock (gate)
            {
                if (closing && time.GetElapsedTime(closingSince) > closingTime)
                {
                    return false;
                }

                Monitor.Wait(gate, betweenTries);
            }
        }

        isLocked = false;
        return true;
    }

    bool NeedsSync()
    {
        lock (gate)
        {
            for (var i = 0; i < waiting.Count && i < MostOperations; i++)
            {
                if (waiting[i].NeedsSync)
                {
                    return true;
                }
            }

            return false;
        }
    }

    void Take()
    {
        lock (gate)
        {
            var count = 0;
            for (; count < waiting.Count && count < MostOperations; count++)
            {
                var operation = waiting[count];
                if (operation.NeedsSync && !database.SyncsOnCommit)
                {
                    break; // it came after we chose to commit without a sync, and waits for the next transaction
                }

                if (operation.TryTake())
                {
                    batch.Add(operation);
                }
            }

            waiting.RemoveRange(0, count);
        }
    }

    void Transact()
    {
        tables.Begin();
        if (failing)
        {
            database.Execute("UPDATE jobs_meta SET last = last + 1"); // a transaction that only reads would prove nothing
        }

        foreach (var operation in batch)
        {
            operation.Execute(tables);
        }

        if (claimers.Count > 0 && nextDue <= Now)
        {
            while (tables.MoveDue(Now))
            {
            }

            claimers.ForEach(claimer => claimer.LookAgain());
        }

        claimers.ForEach(claimer => claimer.Claim(tables));
        tables.Finish();
        Checkpoint?.Invoke("executed", batch);
        Commit();
        Checkpoint?.Invoke("committed", batch);
    }

    void Commit()
    {
        database.Commit();
        if (file.IsGone())
        {
            throw new FileNotFoundException($"{file.Path} was deleted or replaced while this process used it");
        }
    }

    void Succeeded()
    {
        Problem = null; // before anybody hears of the commit, and asks for the health
        foreach (var operation in batch)
        {
            operation.Commit();
        }

        claimers.ForEach(claimer => claimer.Claimed(committed: true));
        EndBatch();
        if (failing)
        {
            failing = false;
            Log.WritesAgain(logger, file.Path);
        }

        try
        {
            AfterCommit();
        }
        catch (Exception e)
        {
            Troubled(e.Message); // what was committed stays
        }
    }

    void AfterCommit()
    {
        if (tables.ConcernsOthers)
        {
            ringOthers(tables);
        }

        if (claimers.Count > 0)
        {
            LookForDue();
        }

        if (++sinceCheckpoint >= 64)
        {
            EmptyLog();
        }
    }

    void EndBatch()
    {
        lock (gate)
        {
            expected = batch.Count + waiting.Count;
            batch.Clear();
        }
    }

    // SQLite moves the log into the database by itself, and then begins the log anew unless somebody reads from it. When
    // readers have prevented that for long, the file has grown large, and we truncate it here.
    void EmptyLog()
    {
        sinceCheckpoint = 0;
        if (file.LogPages() > TruncatePages)
        {
            database.Checkpoint(truncate: true);
        }
    }

    // The log may have room in it that is used again after a checkpoint.
    void MakeRoom()
    {
        try
        {
            database.Checkpoint(truncate: false);
        }
        catch (SqliteException)
        {
            // There is none.
        }
    }

    void Failed(Exception failure)
    {
        Undo();
        Troubled(failure.Message);
        var maybe = failure.LeavesDoubt();
        if (failure is SqliteException { SqliteErrorCode: raw.SQLITE_FULL })
        {
            MakeRoom();
        }

        if (batch.Count < 2 || maybe)
        {
            batch.ForEach(operation => operation.Fail(failure, maybe));
        }
        else
        {
            batch.ForEach(Alone);
        }

        EndBatch();
        lock (gate)
        {
            pause = true;
        }
    }

    void Alone(WriteOperation operation)
    {
        try
        {
            if (!TryBegin(operation.NeedsSync))
            {
                throw new TimeoutException(SqliteErrors.Locked);
            }

            tables.Begin();
            operation.Execute(tables);
            tables.Finish();
            Commit();
            operation.Commit();
        }
        catch (Exception e)
        {
            Undo();
            operation.Fail(e, e.LeavesDoubt());
        }
    }

    void Undo()
    {
        try
        {
            database.Rollback();
        }
        catch (SqliteException)
        {
            // SQLite has undone it.
        }

        database.ResetAll();
        tables.Undone();
        claimers.ForEach(claimer => claimer.Claimed(committed: false));
    }

    void Troubled(string problem)
    {
        if (Problem is null)
        {
            (Problem, ProblemSince) = (problem, time.GetTimestamp());
        }

        if (!failing)
        {
            failing = true;
            Log.CannotWrite(logger, file.Path, problem);
        }
    }
}
