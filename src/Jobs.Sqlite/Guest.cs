using Jobs.Transport;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Jobs.Sqlite;

/// <summary>Writes jobs on a connection of the application, in its transaction.</summary>
sealed class Guest(Engine engine, SqliteTransaction transaction)
{
    static readonly TimeSpan betweenTries = TimeSpan.FromMilliseconds(1);
    static readonly AsyncLocal<Guest?> current = new();

    bool IsOpen => transaction.Connection is not null;

    /// <summary>
    /// Refuses a plain publish in a flow whose transaction is open: the writer would wait for that transaction, and the
    /// transaction for the publish.
    /// </summary>
    /// <exception cref="InvalidOperationException">There is such a transaction.</exception>
    public static void RefuseDeadlock(Engine engine)
    {
        if (current.Value is { IsOpen: true } guest && guest.BelongsTo(engine))
        {
            throw new InvalidOperationException(
                "This flow has an open transaction on the jobs' database, so a plain EnqueueAsync would wait for it for ever. "
                + "Pass the transaction: EnqueueAsync(job, transaction). Or commit it first.");
        }
    }

    /// <exception cref="ArgumentException">The transaction is of another file, or over.</exception>
    public static Guest Of(Engine engine, SqliteTransaction transaction)
    {
        var connection = transaction.Connection
            ?? throw new ArgumentException("The transaction has been committed or rolled back already.", nameof(transaction));
        using (var database = Database.OnConnectionOf(connection))
        {
            if (!engine.File.IsOf(database))
            {
                throw new ArgumentException(
                    $"The transaction is on {database.FileName}, and the jobs are in {engine.File.Path}. Use one file for both.", nameof(transaction));
            }

            engine.WarnOfWeakSync(database);
        }

        var guest = new Guest(engine, transaction);
        current.Value = guest;
        return guest;
    }

    /// <summary>Writes a job, and sees to it that workers hear of it after the commit.</summary>
    /// <param name="outgoing">The job.</param>
    /// <param name="awaited">The ids of the jobs whose results somebody waits for.</param>
    /// <param name="timeout">How long to wait while another connection writes.</param>
    /// <param name="cancellationToken">Ends that wait.</param>
    /// <exception cref="JobPublishException">
    /// The job was not written. What the transaction did before is untouched.
    /// </exception>
    public async Task WriteAsync(Outgoing outgoing, IReadOnlyList<string> awaited, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var head = PublishOperation.Head(outgoing);
        var deadline = engine.DeadlineOf(timeout);
        while (!TryWrite(outgoing, awaited, head))
        {
            if (engine.Time.GetTimestamp() >= deadline)
            {
                throw SqliteErrors.Publish(outgoing, new TimeoutException(SqliteErrors.Locked), maybe: false);
            }

            await Task.Delay(betweenTries, engine.Time, cancellationToken).ConfigureAwait(false);
        }

        engine.WakeAfter(transaction);
    }

    /// <returns>
    /// <see langword="false"/> while another connection writes, which only a deferred transaction meets.
    /// </returns>
    bool TryWrite(Outgoing outgoing, IReadOnlyList<string> awaited, byte[] head)
    {
        if (transaction.Connection is not { } connection)
        {
            throw SqliteErrors.Publish(outgoing, new InvalidOperationException("its transaction has ended"), maybe: false);
        }

        using var database = Database.OnConnectionOf(connection);
        if (!database.IsInTransaction)
        {
            // The provider's object does not notice. A savepoint would now be a transaction of its own, and commit.
            throw SqliteErrors.Publish(outgoing, new InvalidOperationException("its transaction has ended: SQLite has rolled it back"), maybe: false);
        }

        try
        {
            database.Execute("SAVEPOINT jobs_enqueue");
            try
            {
                // A write first: a read would fix what a deferred transaction sees, and while another connection writes,
                // it could never write after that.
                database.Execute("UPDATE jobs_meta SET last = last");
                var tables = new Tables(database);
                tables.Begin();
                foreach (var id in awaited)
                {
                    tables.Results.Expect(id, engine.Now); // a rollback undoes this too
                }

                tables.Publish(outgoing, engine.Now, head);
                tables.Finish();
                database.Execute("RELEASE jobs_enqueue");
                return true;
            }
            catch when (database.IsInTransaction)
            {
                database.Execute("ROLLBACK TO jobs_enqueue; RELEASE jobs_enqueue");
                throw;
            }
        }
        catch (SqliteException e) when (e.SqliteExtendedErrorCode == raw.SQLITE_BUSY_SNAPSHOT)
        {
            var why = new InvalidOperationException(
                "the transaction was begun as deferred and has read, and somebody has written since; it can never write. "
                + "Roll it back, and begin it as immediate (BeginTransaction(), without deferred: true)", e);
            throw SqliteErrors.Publish(outgoing, why, maybe: false);
        }
        catch (SqliteException e) when (e.IsBusy())
        {
            return false;
        }
        catch (SqliteException e)
        {
            throw SqliteErrors.Publish(outgoing, e, maybe: false);
        }
    }

    bool BelongsTo(Engine other) => engine == other;
}
