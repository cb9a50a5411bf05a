using Microsoft.Data.Sqlite;

namespace Jobs.Sqlite;

/// <summary>
/// A connection that only reads, beside that of the writer: who asks waits for nobody who writes. It is opened by the
/// first question, and holds no read transaction between two questions, which would keep the log from shrinking.
/// </summary>
sealed class ReadConnection(DatabaseFile file) : IDisposable
{
    readonly Lock gate = new();
    Database? database;
    Tables? tables;
    bool closed;

    /// <returns>Whether it could be read. When not, ask the writer, which waits until the file can be used again.</returns>
    public bool TryRead<T>(Func<Tables, T> read, out T? result)
    {
        result = default;
        lock (gate)
        {
            try
            {
                if (closed || file.IsGone())
                {
                    return false; // the writer says so
                }

                database ??= Database.Open(file.Path, SqliteOpenMode.ReadOnly);
                result = read(tables ??= new(database));
                return true;
            }
            catch (SqliteException)
            {
                database?.ResetAll(); // a statement on a row would keep a read transaction open
                return false; // somebody repairs the file after a death, for example
            }
        }
    }

    /// <summary>Whether anybody listens to a topic now.</summary>
    /// <returns>Also <see langword="true"/> when it cannot be read: the writer looks again.</returns>
    public bool MayBeHeard(string topic) => !TryRead(tables => tables.Events.IsHeard(topic), out var isHeard) || isHeard;

    public void Dispose()
    {
        lock (gate)
        {
            closed = true;
            database?.Dispose();
        }
    }
}
