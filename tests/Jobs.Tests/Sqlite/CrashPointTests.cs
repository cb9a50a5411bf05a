using Xunit;

namespace Jobs.Tests.Sqlite;

/// <summary>A process that is killed in the middle of a settlement leaves all of it, or nothing.</summary>
public sealed class CrashPointTests : IDisposable
{
    readonly SqliteFile file = new();

    public void Dispose() => file.Dispose();

    [Theory]
    [InlineData("executed", "job")] // before the commit
    [InlineData("committed", "job.next")] // after the commit, and before the caller hears of it
    public async Task A_settlement_is_in_the_file_as_a_whole_or_not_at_all(string checkpoint, string left)
    {
        await using var victim = new WorkerProcess(file.Path);
        victim.Do("publish job 10");
        victim.Do("hold 1");
        await victim.SaysAsync("run job");
        victim.Do($"die {checkpoint}");
        victim.Do("settle");
        await victim.HasEndedAsync();
        Assert.Empty(victim.All("done"));

        await using var next = new WorkerProcess(file.Path);
        next.Do("work 10");

        await next.SaysAsync($"done {left}");
        await next.Until(() => file.Single("SELECT count(*) FROM jobs_message") == 0, "an empty file");
        Assert.Equal([left], next.All("run"));
    }

    [Theory]
    [InlineData("executed", 0)]
    [InlineData("committed", 1)]
    public async Task A_publish_is_in_the_file_when_its_transaction_was_committed(string checkpoint, int messages)
    {
        await using var victim = new WorkerProcess(file.Path);
        victim.Do("hold 1");
        victim.Do($"die {checkpoint}");
        victim.Do("publish job 10");
        await victim.HasEndedAsync();
        Assert.Empty(victim.All("sent"));

        Assert.Equal(messages, file.Single("SELECT count(*) FROM jobs_message"));
        Assert.Equal(messages, file.Single("SELECT (SELECT count(*) FROM jobs_ready) + (SELECT count(*) FROM jobs_claimed)"));
    }
}
