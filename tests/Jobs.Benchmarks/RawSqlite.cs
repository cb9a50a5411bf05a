using System.Text;
using Jobs.Sqlite;

namespace Jobs.Benchmarks;

/// <summary>
/// The yardstick of the SQLite transport: one thread that does the same durable work with kept statements, and nothing
/// else. A row has a body as Jobs writes it; an insert is durable when its commit returns, a claim marks a row as taken,
/// and the end of a job deletes the row. No queues, no delays, no headers, no tasks.
/// </summary>
sealed class RawSqlite : IDisposable
{
    public const string About = "SQLite by hand: one table, one thread, kept statements, batches of the size that is given";

    readonly Database database;
    readonly Statement insert;
    readonly Statement find;
    readonly Statement claim;
    readonly Statement delete;
    readonly Statement keep;
    readonly Statement read;
    readonly byte[] body;
    readonly List<long> taken = [];
    readonly List<long> ended = [];

    public RawSqlite(string file, BenchmarkOptions options)
    {
        body = Encoding.UTF8.GetBytes(options.Text());
        database = Database.Open(file);
        database.Execute("PRAGMA journal_mode=WAL");
        database.Execute("PRAGMA wal_autocheckpoint=4000");
        database.Execute("CREATE TABLE job (seq INTEGER PRIMARY KEY, owner INTEGER, body BLOB NOT NULL) STRICT");
        database.Execute("CREATE INDEX ready ON job (seq) WHERE owner IS NULL");
        database.Execute("CREATE TABLE result (seq INTEGER PRIMARY KEY, value BLOB NOT NULL) STRICT");
        keep = database.Prepare("INSERT INTO result VALUES (?1, ?2)");
        read = database.Prepare("SELECT value FROM result WHERE seq = ?1");
        insert = database.Prepare("INSERT INTO job (body) VALUES (?1)");
        find = database.Prepare("SELECT seq, body FROM job WHERE owner IS NULL ORDER BY seq LIMIT ?1");
        claim = database.Prepare("UPDATE job SET owner = 1 WHERE seq = ?1");
        delete = database.Prepare("DELETE FROM job WHERE seq = ?1");
    }

    /// <summary>Inserts jobs; a commit that the disk has for each batch.</summary>
    public void Insert(int count, int batch)
    {
        for (var left = count; left > 0; left -= batch)
        {
            Begin(full: true);
            for (var i = 0; i < Math.Min(batch, left); i++)
            {
                insert.Bind(1, body).Run();
            }

            database.Commit();
        }
    }

    /// <summary>Claims and deletes all jobs: the deletes of one batch share a transaction with the next claims.</summary>
    /// <param name="batch">How many at once.</param>
    /// <param name="results">Whether each job leaves a result, which the disk has, and which is read.</param>
    public void Drain(int batch, bool results = false)
    {
        do
        {
            Begin(full: results);
            foreach (var seq in taken)
            {
                if (results)
                {
                    keep.Bind(1, seq).Bind(2, body).Run();
                }

                delete.Bind(1, seq).Run();
            }

            ended.Clear();
            ended.AddRange(taken);
            taken.Clear();
            find.Bind(1, batch);
            while (find.Step())
            {
                taken.Add(find.Number(0));
                _ = find.Bytes(1);
            }

            taken.ForEach(seq => claim.Bind(1, seq).Run());
            database.Commit();
            foreach (var seq in results ? ended : [])
            {
                if (!read.Bind(1, seq).Step())
                {
                    throw new InvalidOperationException($"There is no result of job {seq}.");
                }

                _ = read.Bytes(0);
                read.Reset();
            }
        }
        while (taken.Count > 0);
    }

    public void Dispose() => database.Dispose();

    void Begin(bool full)
    {
        database.SyncOnCommit(full);
        if (!database.TryBegin())
        {
            throw new InvalidOperationException("Somebody else writes to the file.");
        }
    }
}
