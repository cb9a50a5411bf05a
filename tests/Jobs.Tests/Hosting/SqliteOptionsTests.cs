using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Xunit;

namespace Jobs.Tests.Hosting;

/// <summary>A host whose jobs have no file to be in does not start, and says why.</summary>
public sealed class SqliteOptionsTests
{
    static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("", "Jobs:Sqlite:File is empty; name a file, such as 'data/jobs.db'.")]
    [InlineData("  ", "Jobs:Sqlite:File is empty; name a file, such as 'data/jobs.db'.")]
    [InlineData(null, "Jobs:Sqlite:File is empty; name a file, such as 'data/jobs.db'.")]
    [InlineData(":memory:", "Jobs:Sqlite:File is ':memory:', which is not the path of a file; call UseInMemory() for jobs that need no file.")]
    [InlineData("file:jobs.db?mode=memory", "Jobs:Sqlite:File is 'file:jobs.db?mode=memory', which is not the path of a file; call UseInMemory()")]
    [InlineData("Data Source=jobs.db", "Jobs:Sqlite:File is 'Data Source=jobs.db', which looks like a connection string; give the path of the file alone.")]
    public async Task What_is_no_path_of_a_file_is_refused(string? file, string problem)
    {
        using var host = Build(jobs => jobs.UseSqlite(file!));
        Assert.StartsWith(problem, Assert.Single(await ProblemsAsync(host)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Jobs:Sqlite:File", ":memory:", "Jobs:Sqlite:File is ':memory:'")]
    [InlineData("Jobs:Sqlite:Fil", "jobs.db", "Jobs:Sqlite:Fil is no setting of Jobs; did you mean Jobs:Sqlite:File?")]
    [InlineData("Jobs:Sqlite", "jobs.db", "Jobs:Sqlite is 'jobs.db', and should be a section")]
    public async Task A_setting_that_does_not_fit_is_refused(string key, string value, string problem)
    {
        using var host = Build(jobs => jobs.UseSqlite(), (key, value));
        Assert.StartsWith(problem, Assert.Single(await ProblemsAsync(host)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_section_with_a_misspelt_name_is_refused()
    {
        using var host = Build(jobs => jobs.UseInMemory(), ("Jobs:SqLit:File", "jobs.db"));
        Assert.Equal("Jobs:SqLit is no setting of Jobs; did you mean Jobs:Sqlite?", Assert.Single(await ProblemsAsync(host)));
    }

    [Fact]
    public async Task A_file_that_cannot_be_made_is_a_problem_of_the_start()
    {
        using var host = Build(jobs => jobs.UseSqlite("/dev/null/jobs.db"));
        Assert.Contains("/dev/null/jobs.db cannot be used", Assert.Single(await ProblemsAsync(host)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_queue_with_a_name_of_the_transports_own_is_refused()
    {
        var folder = Directory.CreateTempSubdirectory("jobs-sqlite-");
        try
        {
            using var host = Build(jobs => jobs.UseSqlite(Path.Combine(folder.FullName, "jobs.db")).AddWorker(worker => worker.Queues = ["jobs.quarantine.x"]));
            Assert.Equal(
                "Jobs:Worker:Queues 'jobs.quarantine.x': names that begin with 'jobs.quarantine.' are Jobs' own.", Assert.Single(await ProblemsAsync(host)));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task The_file_comes_from_configuration_unless_code_names_one()
    {
        var folder = Directory.CreateTempSubdirectory("jobs-sqlite-");
        try
        {
            var (configured, coded) = (Path.Combine(folder.FullName, "data", "a.db"), Path.Combine(folder.FullName, "data", "b.db"));
            using (var host = Build(jobs => jobs.UseSqlite(), ("Jobs:Sqlite:File", configured)))
            {
                await host.StartAsync(Stop);
                await host.StopAsync(Stop);
                Assert.True(File.Exists(configured));
            }

            using (var host = Build(jobs => jobs.UseSqlite(coded), ("Jobs:Sqlite:File", configured + "2")))
            {
                await host.StartAsync(Stop);
                await host.StopAsync(Stop);
                Assert.True(File.Exists(coded));
                Assert.False(File.Exists(configured + "2"));
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    static async Task<IEnumerable<string>> ProblemsAsync(IHost host) => (await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync(Stop))).Failures;

    static IHost Build(Action<JobsBuilder> configure, params (string Key, string? Value)[] settings)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Configuration.AddInMemoryCollection(settings.Select(s => KeyValuePair.Create(s.Key, s.Value)));
        builder.Services.AddJobs(configure);
        return builder.Build();
    }
}
