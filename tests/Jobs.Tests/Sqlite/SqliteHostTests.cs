using Jobs.Contracts;
using Microsoft.Extensions.DependencyInjection;

namespace Jobs.Tests.Sqlite;

/// <summary>What users see of jobs from end to end, over SQLite; all hosts of a test share one file.</summary>
public sealed class SqliteHostTests : HostContract
{
    readonly DirectoryInfo directory = Directory.CreateTempSubdirectory("jobs-host-");

    protected override string DocumentedAs => "SQLite";

    protected override void UseTransport(JobsBuilder jobs) => jobs.UseSqlite(Path.Combine(directory.FullName, "jobs.db"));

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        directory.Delete(recursive: true);
    }
}
