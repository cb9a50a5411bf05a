using Jobs.Sqlite;
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
    public SqliteTransport Open(TimeProvider? time = null, ILogger<SqliteTransport>? logger = null) =>
        new(Options.Create(new SqliteOptions { File = Path }), time ?? TimeProvider.System, logger ?? NullLogger<SqliteTransport>.Instance);

    public void Dispose() => directory.Delete(recursive: true);
}
