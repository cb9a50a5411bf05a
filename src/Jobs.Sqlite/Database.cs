using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Jobs.Sqlite;

/// <summary>
/// One connection to the database file. Statements go to SQLite's own functions, on the connection of the provider, so
/// that the process has one copy of SQLite: two copies would drop each other's file locks.
/// </summary>
/// <remarks>
/// The provider sleeps 150 ms whenever the database is busy. These functions do not: who is busy returns
/// <see langword="false"/>, and the caller decides. Not thread-safe.
/// </remarks>
sealed class Database : IDisposable
{
    readonly SqliteConnection connection;
    readonly sqlite3 handle;
    readonly List<Statement> statements = [];
    readonly Statement begin;
    readonly Statement commit;
    readonly Statement rollback;
    readonly bool isGuest;
    bool isFull;

    Database(SqliteConnection connection, bool isGuest)
    {
        (this.connection, this.isGuest) = (connection, isGuest);
        handle = connection.Handle!;
        (begin, commit, rollback) = (Prepare("BEGIN IMMEDIATE"), Prepare("COMMIT"), Prepare("ROLLBACK"));
    }

    /// <exception cref="SqliteException">The file cannot be opened.</exception>
    public static Database Open(string file, SqliteOpenMode mode = SqliteOpenMode.ReadWriteCreate)
    {
        var text = new SqliteConnectionStringBuilder { DataSource = file, Mode = mode, Pooling = false }.ToString();
        var connection = new SqliteConnection(text);
        try
        {
            connection.Open();
            if (mode != SqliteOpenMode.ReadOnly && raw.sqlite3_db_readonly(connection.Handle, "main") == 1)
            {
                // SQLite would say so only at the first write.
                throw new SqliteException("attempt to write a readonly database", raw.SQLITE_READONLY);
            }

            var database = new Database(connection, isGuest: false);
            database.Check(raw.sqlite3_busy_timeout(database.handle, 0));
            database.Check(raw.sqlite3_extended_result_codes(database.handle, 1));
            database.Execute("PRAGMA fullfsync=1; PRAGMA checkpoint_fullfsync=1"); // macOS only: there a plain sync stops at the disk's cache
            return database;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The same functions on a connection of somebody else, which this object neither changes nor closes.
    /// </summary>
    public static Database OnConnectionOf(SqliteConnection connection) => new(connection, isGuest: true);

    /// <summary>The file that the connection has opened, as SQLite names it.</summary>
    public string FileName => raw.sqlite3_db_filename(handle, "main").utf8_to_string() ?? "";

    public Statement Prepare(string sql)
    {
        var statement = new Statement(this, sql);
        statements.Add(statement);
        return statement;
    }

    /// <summary>Compiles every statement now: a table that is missing shows before anything is written.</summary>
    public void CompileAll() => statements.ForEach(statement => statement.Compile());

    /// <summary>Resets every statement, also one that was left on a row by an exception.</summary>
    public void ResetAll() => statements.ForEach(statement => statement.Reset());

    public sqlite3_stmt Compile(string sql)
    {
        Check(raw.sqlite3_prepare_v2(handle, sql, out var statement));
        return statement;
    }

    public void Execute(string sql) => Check(raw.sqlite3_exec(handle, sql));

    /// <summary>The first column of the first row as a number.</summary>
    public long Single(string sql)
    {
        using (var statement = Compile(sql))
        {
            var result = raw.sqlite3_step(statement);
            return result == raw.SQLITE_ROW ? raw.sqlite3_column_int64(statement, 0) : throw Failure(result);
        }
    }

    /// <summary>Whether a commit returns only when the disk has it.</summary>
    public bool SyncsOnCommit => isFull;

    /// <summary>Sets <see cref="SyncsOnCommit"/>, between two transactions.</summary>
    public void SyncOnCommit(bool full)
    {
        if (isFull != full)
        {
            Execute(full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
            isFull = full;
        }
    }

    /// <summary>Begins a transaction that may write.</summary>
    /// <returns><see langword="false"/> when another connection is writing.</returns>
    public bool TryBegin()
    {
        try
        {
            begin.Run();
            return true;
        }
        catch (SqliteException e) when (e.IsBusy())
        {
            return false;
        }
    }

    public void Commit() => commit.Run();

    /// <summary>Undoes the transaction, if SQLite has not done so already.</summary>
    public void Rollback()
    {
        if (IsInTransaction)
        {
            rollback.Run();
        }
    }

    /// <summary>Moves the write-ahead log into the database, as far as readers allow.</summary>
    /// <returns>How many pages the log has.</returns>
    public int Checkpoint(bool truncate)
    {
        var result = raw.sqlite3_wal_checkpoint_v2(
            handle, "main", truncate ? raw.SQLITE_CHECKPOINT_TRUNCATE : raw.SQLITE_CHECKPOINT_PASSIVE, out var pages, out _);
        if ((result & 0xFF) is not (raw.SQLITE_OK or raw.SQLITE_BUSY or raw.SQLITE_LOCKED))
        {
            throw Failure(result);
        }

        return pages;
    }

    public bool IsInTransaction => raw.sqlite3_get_autocommit(handle) == 0;

    public int Changes => raw.sqlite3_changes(handle);

    public void Check(int result)
    {
        if (result is not (raw.SQLITE_OK or raw.SQLITE_ROW or raw.SQLITE_DONE))
        {
            throw Failure(result);
        }
    }

    public SqliteException Failure(int result) =>
        new(raw.sqlite3_errmsg(handle).utf8_to_string(), result & 0xFF, raw.sqlite3_extended_errcode(handle));

    public void Dispose()
    {
        foreach (var statement in statements)
        {
            statement.Dispose();
        }

        if (!isGuest)
        {
            connection.Dispose();
        }
    }
}
