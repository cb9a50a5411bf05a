using Jobs.Settings;
using Jobs.Sqlite;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Jobs;

/// <summary>Adds the SQLite transport.</summary>
public static class SqliteJobsBuilderExtensions
{
    /// <summary>
    /// Keeps jobs in one file on this machine, without a server: for applications whose processes all run on one
    /// machine.
    /// </summary>
    /// <param name="jobs">The builder.</param>
    /// <param name="file">
    /// See <see cref="SqliteOptions.File"/>. With <see langword="null"/>, the configuration names the file.
    /// </param>
    /// <param name="configure">Sets further options.</param>
    public static JobsBuilder UseSqlite(this JobsBuilder jobs, string? file = null, Action<SqliteOptions>? configure = null)
    {
        jobs.Services.BindOnce<SqliteOptions>("Jobs:Sqlite", (section, options) => section.Bind(options));
        jobs.Services.Configure<SqliteOptions>(options =>
        {
            options.File = file ?? options.File;
            configure?.Invoke(options);
        });
        return jobs.UseTransport(services => ActivatorUtilities.CreateInstance<SqliteTransport>(services));
    }
}
