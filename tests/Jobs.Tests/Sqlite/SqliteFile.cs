using Jobs.Contracts;
using Jobs.Sqlite;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Jobs.Tests.Sqlite;

/// <summary>A database file of one test, in a directory of its own.</summary>
sealed class SqliteFile : IDisposable
{
    readonly DirectoryInfo directory = Directory.CreateTempSubdirectory("jobs-sqlite-");

    public string Path => System.IO.Path.Combine(directory.FullName, "jobs.db");

    public DirectoryInfo Folder => directory;

    /// <summary>What one process has.</summary>
    public SqliteTransport Open(TimeProvider? time = null, ILogger<SqliteTransport>? logger = null, JobsOptions? options = null) => Open(Path, time, logger, options);

    /// <summary>What one process has of any file.</summary>
    public static SqliteTransport Open(string path, TimeProvider? time = null, ILogger<SqliteTransport>? logger = null, JobsOptions? options = null) => new(
        Options.Create(new SqliteOptions { File = path }),
        time ?? TimeProvider.System,
        logger ?? NullLogger<SqliteTransport>.Instance,
        Options.Create(options ?? new()));

    /// <summary>Asks the database, on a connection of its own.</summary>
    public long Single(string sql)
    {
        using var database = Database.Open(Path);
        var start = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                return database.Single(sql);
            }
            catch (SqliteException e) when (e.IsBusy() && TimeProvider.System.GetElapsedTime(start) < Wait.Deadline)
            {
                // Whoever opens the file first after a death repairs it, alone.
            }
        }
    }

    /// <summary>Locks the database as another program would, until the result is disposed.</summary>
    public async Task<IDisposable> LockAsync()
    {
        var other = Database.Open(Path);
        await Wait.Until(() => other.TryBegin()); // not while a process looks for the dead
        return other;
    }

    public void Dispose() => directory.Delete(recursive: true);
}
