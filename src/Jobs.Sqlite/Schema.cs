using System.Globalization;

namespace Jobs.Sqlite;

/// <summary>All tables, and how an older file becomes one of this version.</summary>
/// <remarks>
/// A message lies in <c>jobs_message</c>, and its number in exactly one of three small tables: ready, delayed or
/// claimed. So a claim looks only at what can be claimed, and never moves a body. An id lies in <c>jobs_pending</c>
/// while a message that was published with <see cref="Transport.Outgoing.UnlessPending"/> is there. Times are
/// milliseconds since 1970.
/// </remarks>
static class Schema
{
    const int Version = 3;

    const string Create = """
        CREATE TABLE jobs_meta (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL, last INTEGER NOT NULL) STRICT;
        INSERT INTO jobs_meta VALUES (1, 1, 0);
        CREATE TABLE jobs_queue (no INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
        CREATE TABLE jobs_message (seq INTEGER PRIMARY KEY, head BLOB NOT NULL, body BLOB NOT NULL) STRICT;
        CREATE TABLE jobs_ready (
            queue INTEGER NOT NULL, urgency INTEGER NOT NULL, seq INTEGER NOT NULL, deliveries INTEGER NOT NULL,
            PRIMARY KEY (queue, urgency, seq)) STRICT, WITHOUT ROWID;
        CREATE TABLE jobs_delayed (
            due INTEGER NOT NULL, seq INTEGER NOT NULL, queue INTEGER NOT NULL, urgency INTEGER NOT NULL,
            PRIMARY KEY (due, seq)) STRICT, WITHOUT ROWID;
        CREATE TABLE jobs_claimed (
            session INTEGER NOT NULL, seq INTEGER NOT NULL, queue INTEGER NOT NULL, urgency INTEGER NOT NULL, deliveries INTEGER NOT NULL,
            PRIMARY KEY (session, seq)) STRICT, WITHOUT ROWID;
        CREATE TABLE jobs_session (no INTEGER PRIMARY KEY AUTOINCREMENT, file TEXT NOT NULL UNIQUE, bell TEXT NOT NULL) STRICT;
        CREATE TABLE jobs_journal (no INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, leader INTEGER NOT NULL DEFAULT 0) STRICT;
        CREATE TABLE jobs_record (seq INTEGER PRIMARY KEY AUTOINCREMENT, journal INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;
        CREATE INDEX jobs_record_journal ON jobs_record (journal, seq);
        """;

    // What version 2 has beyond version 1. Some files of version 1 have results already. Some have pending ids without
    // the numbers of their messages: these ids are forgotten, and nothing has used such ids yet.
    const string FromVersion1 = """
        DROP TABLE IF EXISTS jobs_pending;
        CREATE TABLE jobs_pending (id TEXT PRIMARY KEY, seq INTEGER NOT NULL UNIQUE) STRICT, WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS jobs_result (
            seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, enqueued INTEGER, ended INTEGER NOT NULL, expires INTEGER NOT NULL, news BLOB) STRICT;
        CREATE INDEX IF NOT EXISTS jobs_result_expires ON jobs_result (expires);
        """;

    // What version 3 has beyond version 2: questions to the readers of journals, events on their way and who listens to
    // them, and the history. The column total counts the bytes of all entries up to this one, so that the size of the
    // history is the difference of two rows.
    const string FromVersion2 = """
        CREATE TABLE jobs_question (
            no INTEGER PRIMARY KEY AUTOINCREMENT, journal INTEGER NOT NULL, asked INTEGER NOT NULL, question BLOB NOT NULL, answer BLOB) STRICT;
        CREATE INDEX jobs_question_journal ON jobs_question (journal, no);
        CREATE TABLE jobs_event (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, events INTEGER NOT NULL, topic TEXT NOT NULL, sender TEXT NOT NULL,
            body BLOB NOT NULL) STRICT;
        CREATE TABLE jobs_listener (session INTEGER PRIMARY KEY, pattern TEXT NOT NULL) STRICT;
        CREATE TABLE jobs_history (
            position INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, total INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;
        UPDATE jobs_meta SET version = 3;
        """;

    /// <summary>Makes the tables, finds them, or changes those of an older version. Runs in a transaction.</summary>
    /// <exception cref="JobTransportException">A newer version of Jobs has made the tables.</exception>
    public static void Ensure(Database database, string file)
    {
        string[] steps = [Create, FromVersion1, FromVersion2];
        foreach (var step in steps[(int)VersionOf(database, file)..])
        {
            database.Execute(step);
        }
    }

    /// <summary>Whether the tables of this version are there.</summary>
    /// <exception cref="JobTransportException">A newer version of Jobs has made the tables.</exception>
    public static bool IsThere(Database database, string file) => VersionOf(database, file) == Version;

    // 0 when there are no tables.
    static long VersionOf(Database database, string file)
    {
        if (database.Single("SELECT count(*) FROM sqlite_schema WHERE name = 'jobs_meta'") == 0)
        {
            return 0;
        }

        var version = database.Single("SELECT version FROM jobs_meta");
        return version <= Version ? version : throw new JobTransportException(string.Create(CultureInfo.InvariantCulture,
            $"{file} has the tables of version {version} of Jobs.Sqlite, and this program knows version {Version}. Update this program's Jobs packages."));
    }
}
