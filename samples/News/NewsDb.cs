using Microsoft.Data.Sqlite;

namespace News;

/// <summary>A headline on the page.</summary>
sealed record StoredHeadline(long Id, string Title, DateTimeOffset Published);

/// <summary>What the site knows about a reader, as <see cref="ProfileTasks"/> last worked it out.</summary>
sealed record Profile(string User, string DisplayName, string? ReadsMost, long Logins, DateTimeOffset LastLogin, DateTimeOffset Updated);

/// <summary>The site's database, shared by all its processes.</summary>
/// <remarks>Synchronous, because SQLite is: its asynchronous methods would block just the same.</remarks>
sealed class NewsDb
{
    const string Schema = """
        PRAGMA journal_mode = WAL; -- readers and the writer do not wait for each other
        CREATE TABLE IF NOT EXISTS source (name TEXT PRIMARY KEY, refreshed INTEGER NOT NULL);
        CREATE TABLE IF NOT EXISTS headline (
            id INTEGER PRIMARY KEY, source TEXT NOT NULL, link TEXT NOT NULL, title TEXT NOT NULL, published INTEGER NOT NULL, UNIQUE (source, link));
        CREATE INDEX IF NOT EXISTS headline_newest ON headline (source, published DESC);
        CREATE TABLE IF NOT EXISTS login (user TEXT NOT NULL, at INTEGER NOT NULL);
        CREATE INDEX IF NOT EXISTS login_user ON login (user);
        CREATE TABLE IF NOT EXISTS visit (user TEXT NOT NULL, source TEXT NOT NULL);
        CREATE INDEX IF NOT EXISTS visit_user ON visit (user, source);
        CREATE TABLE IF NOT EXISTS profile (
            user TEXT PRIMARY KEY, display_name TEXT NOT NULL, reads_most TEXT, logins INTEGER NOT NULL, last_login INTEGER NOT NULL, updated INTEGER NOT NULL);
        """;

    readonly string connectionString;

    public NewsDb(CommandLine options)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(options.Database)!);

        // How many seconds to wait for another process that writes.
        connectionString = new SqliteConnectionStringBuilder { DataSource = options.Database, DefaultTimeout = 5 }.ToString();
        Execute(Schema);
    }

    /// <returns>How many headlines were new.</returns>
    public int AddHeadlines(string source, IEnumerable<Headline> headlines, DateTimeOffset now)
    {
        using var connection = Open();
        using var transaction = connection.BeginTransaction();
        var added = headlines.Sum(h => Run(
            connection,
            "INSERT INTO headline (source, link, title, published) VALUES ($a, $b, $c, $d) ON CONFLICT DO NOTHING",
            source, h.Link, h.Title, Write(h.Published ?? now)));
        Run(connection, "INSERT INTO source VALUES ($a, $b) ON CONFLICT DO UPDATE SET refreshed = $b", source, Write(now));
        transaction.Commit();
        return added;
    }

    public int RemoveHeadlinesBefore(DateTimeOffset limit) => Execute("DELETE FROM headline WHERE published < $a", Write(limit));

    public IReadOnlyList<StoredHeadline> Headlines(string source, int count) => Query(
        "SELECT id, title, published FROM headline WHERE source = $a ORDER BY published DESC LIMIT $b",
        row => new StoredHeadline(row.GetInt64(0), row.GetString(1), Time(row, 2)),
        source, count);

    public long CountHeadlines() => Query("SELECT count(*) FROM headline", row => row.GetInt64(0))[0];

    public DateTimeOffset? LastRefresh(string source) =>
        Query("SELECT refreshed FROM source WHERE name = $a", row => Time(row, 0), source) is [var at] ? at : null;

    public void AddLogin(string user, DateTimeOffset now) => Execute("INSERT INTO login VALUES ($a, $b)", user, Write(now));

    public (long Count, DateTimeOffset Last) Logins(string user) =>
        Query("SELECT count(*), coalesce(max(at), 0) FROM login WHERE user = $a", row => (row.GetInt64(0), Time(row, 1)), user)[0];

    /// <returns>The link of the story; <see langword="null"/> when no story has this id.</returns>
    public string? Visit(string? user, long headline)
    {
        if (Query("SELECT source, link FROM headline WHERE id = $a", row => (Source: row.GetString(0), Link: row.GetString(1)), headline) is not [var story])
        {
            return null;
        }

        if (user is not null)
        {
            Execute("INSERT INTO visit VALUES ($a, $b)", user, story.Source);
        }

        return story.Link;
    }

    public string? ReadsMost(string user) =>
        Query("SELECT source FROM visit WHERE user = $a GROUP BY source ORDER BY count(*) DESC, source LIMIT 1", row => row.GetString(0), user) is [var source] ? source : null;

    public void SaveProfile(Profile p) => Execute(
        "INSERT OR REPLACE INTO profile VALUES ($a, $b, $c, $d, $e, $f)",
        p.User, p.DisplayName, p.ReadsMost, p.Logins, Write(p.LastLogin), Write(p.Updated));

    public Profile? Profile(string user) => Query(
        "SELECT * FROM profile WHERE user = $a",
        row => new Profile(row.GetString(0), row.GetString(1), row.IsDBNull(2) ? null : row.GetString(2), row.GetInt64(3), Time(row, 4), Time(row, 5)),
        user) is [var profile] ? profile : null;

    int Execute(string sql, params object?[] values)
    {
        using var connection = Open();
        return Run(connection, sql, values);
    }

    List<T> Query<T>(string sql, Func<SqliteDataReader, T> read, params object?[] values)
    {
        using var connection = Open();
        using var command = Command(connection, sql, values);
        using var reader = command.ExecuteReader();
        var rows = new List<T>();
        while (reader.Read())
        {
            rows.Add(read(reader));
        }

        return rows;
    }

    // This is cheap, because connections are pooled.
    SqliteConnection Open()
    {
        var connection = new SqliteConnection(connectionString);
        connection.Open();
        return connection;
    }

    static int Run(SqliteConnection connection, string sql, params object?[] values)
    {
        using var command = Command(connection, sql, values);
        return command.ExecuteNonQuery();
    }

    // $a, $b, $c … in the order given.
    static SqliteCommand Command(SqliteConnection connection, string sql, object?[] values)
    {
        var command = connection.CreateCommand();
        command.CommandText = sql;
        for (var i = 0; i < values.Length; i++)
        {
            command.Parameters.AddWithValue($"${(char)('a' + i)}", values[i] ?? DBNull.Value);
        }

        return command;
    }

    static long Write(DateTimeOffset time) => time.ToUnixTimeMilliseconds();

    static DateTimeOffset Time(SqliteDataReader row, int column) => DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(column));
}
