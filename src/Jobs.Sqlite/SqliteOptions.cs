using Jobs.Settings;

namespace Jobs;

/// <summary>
/// The file of the SQLite transport. Bound to the configuration section <c>Jobs:Sqlite</c>; values set in code, in
/// <c>UseSqlite</c>, win.
/// </summary>
public sealed class SqliteOptions : IBoundOptions
{
    /// <summary>
    /// The path of the database, relative to the current directory. Jobs makes the file and its directory. The file
    /// may be the database of the application: all tables of Jobs begin with <c>jobs_</c>. Defaults to
    /// <c>jobs.db</c>.
    /// </summary>
    /// <remarks>
    /// The file must be on a disk of this machine. All processes that name the same file share its jobs. Beside it,
    /// Jobs keeps <c>-wal</c>, <c>-shm</c>, and a directory <c>-sessions</c> with a small file for each worker.
    /// </remarks>
    public string File { get; set; } = "jobs.db";

    IReadOnlyList<string> IBoundOptions.Unbound { get; set; } = [];

    IEnumerable<string> IBoundOptions.Problems()
    {
        if (string.IsNullOrWhiteSpace(File))
        {
            yield return "Jobs:Sqlite:File is empty; name a file, such as 'data/jobs.db'.";
        }
        else if (File.Contains(":memory:", StringComparison.OrdinalIgnoreCase) || File.StartsWith("file:", StringComparison.OrdinalIgnoreCase))
        {
            yield return $"Jobs:Sqlite:File is '{File}', which is not the path of a file; call UseInMemory() for jobs that need no file.";
        }
        else if (File.Contains('=', StringComparison.Ordinal) && File.Contains("source", StringComparison.OrdinalIgnoreCase))
        {
            yield return $"Jobs:Sqlite:File is '{File}', which looks like a connection string; give the path of the file alone.";
        }
    }
}
