using Jobs.Transport;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Jobs.Sqlite;

/// <summary>What SQLite's error codes mean for a job, and what to do about them.</summary>
static class SqliteErrors
{
    /// <summary>Another connection writes, and does not come to an end.</summary>
    public const string Locked = "another connection keeps the file locked; if that is an open transaction of this program, "
        + "pass it: EnqueueAsync(job, transaction)";

    public static bool IsBusy(this SqliteException e) => e.SqliteErrorCode is raw.SQLITE_BUSY or raw.SQLITE_LOCKED;

    /// <summary>
    /// Whether the transaction may be in the file although it failed. SQLite writes the frame that makes a transaction
    /// valid last, so after any error before that frame the transaction is not there. Only a failed sync, or a file
    /// that is gone, leaves a doubt.
    /// </summary>
    public static bool LeavesDoubt(this Exception e) => e switch
    {
        SqliteException sqlite => sqlite.SqliteErrorCode == raw.SQLITE_IOERR && sqlite.SqliteExtendedErrorCode != raw.SQLITE_IOERR_WRITE,
        FileNotFoundException => true,
        _ => false,
    };

    public static JobPublishException Publish(Outgoing outgoing, Exception why, bool maybe)
    {
        var id = outgoing.Message.CorrelationId ?? "";
        return maybe
            ? new(id, maybeEnqueued: true, isTransient: IsTransient(why),
                $"Job {id} for queue '{outgoing.Queue}' may or may not be enqueued: {Explain(why)}. "
                + "Enqueue the job again with this id, so that its task can recognise a second copy.", why)
            : new(id, maybeEnqueued: false, isTransient: IsTransient(why), $"Job {id} for queue '{outgoing.Queue}' was not enqueued: {Explain(why)}.", why);
    }

    public static JobPublishException Append(string journal, Exception why) =>
        new("", maybeEnqueued: true, IsTransient(why), $"A record for '{journal}' may not have been written: {Explain(why)}.", why);

    public static JobTransportException CannotUse(string file, Exception why) => new($"{file} cannot be used: {Explain(why)}.", IsTransient(why), why);

    static bool IsTransient(Exception why) => why switch
    {
        SqliteException e => e.SqliteErrorCode is raw.SQLITE_BUSY or raw.SQLITE_LOCKED or raw.SQLITE_FULL or raw.SQLITE_IOERR or raw.SQLITE_NOMEM,
        TimeoutException => true,
        IOException => why is not FileNotFoundException,
        _ => false,
    };

    static string Explain(Exception why) => why is not SqliteException e ? why.Message.TrimEnd('.') : e.SqliteErrorCode switch
    {
        raw.SQLITE_FULL => "the disk is full",
        raw.SQLITE_READONLY => "the file or its directory may not be written; check owner and permissions",
        raw.SQLITE_CANTOPEN => "the file cannot be opened; check the path, owner and permissions",
        raw.SQLITE_CORRUPT => "the file is damaged; restore a backup, or move the file away",
        raw.SQLITE_NOTADB => "the file is no SQLite database; name another file",
        raw.SQLITE_BUSY or raw.SQLITE_LOCKED => Locked,
        raw.SQLITE_TOOBIG => "the message is larger than SQLite can store (1 GB)",
        raw.SQLITE_IOERR => $"the disk failed ({e.Message.TrimEnd('.')})",
        _ => e.Message.TrimEnd('.'),
    };
}
