using Jobs.Settings;
using Jobs.Sqlite;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Jobs;

/// <summary>Adds the SQLite transport.</summary>
public static class SqliteJobsBuilderExtensions
{
    /// <summary>
    /// Keeps jobs in the file that the configuration names, or in <c>jobs.db</c> if it names none.
    /// </summary>
    /// <inheritdoc cref="UseSqlite(JobsBuilder, string, Action{SqliteOptions}?)"/>
    public static JobsBuilder UseSqlite(this JobsBuilder jobs, Action<SqliteOptions>? configure = null)
    {
        jobs.Services.BindOnce<SqliteOptions>("Jobs:Sqlite", (section, options) => section.Bind(options));
        jobs.Services.Configure(configure ?? (_ => { }));
        return jobs.UseTransport(services => ActivatorUtilities.CreateInstance<SqliteTransport>(services));
    }

    /// <summary>
    /// Keeps jobs in one file on this machine, without a server. All processes of this machine that name the same file
    /// share its jobs.
    /// </summary>
    /// <param name="jobs">The builder.</param>
    /// <param name="file">See <see cref="SqliteOptions.File"/>.</param>
    /// <param name="configure">Sets further options.</param>
    public static JobsBuilder UseSqlite(this JobsBuilder jobs, string file, Action<SqliteOptions>? configure = null) => jobs.UseSqlite(options =>
    {
        options.File = file;
        configure?.Invoke(options);
    });
}
