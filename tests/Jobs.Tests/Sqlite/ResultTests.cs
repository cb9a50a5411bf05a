using Jobs.Contracts;
using Jobs.Sqlite;
using Jobs.Transport;
using Jobs.Wire;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Jobs.Tests.Sqlite;

/// <summary>The table of results, by several processes on one file: each a transport of its own.</summary>
public sealed class ResultTests : IDisposable
{
    readonly SqliteFile file = new();

    static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => file.Dispose();

    [Fact]
    public async Task A_result_wakes_a_waiter_in_another_process_long_before_anybody_looks()
    {
        await using var worker = file.Open();
        await using var caller = file.Open(new NeverLooks());
        var result = caller.Results.WaitAsync("job", Wait.Deadline, Stop).AsTask();
        await Wait.Until(() => file.Single("SELECT count(*) FROM jobs_session") == 1);

        await TellAsync(worker, Ended("job", "1"));

        Assert.Equal((JobState.Succeeded, "1"), Value(await result.Soon()));
    }

    [Fact]
    public async Task A_result_is_there_for_whoever_asks_later()
    {
        await using (var worker = file.Open())
        {
            await TellAsync(worker, Ended("job", "1"));
        }

        await using var caller = file.Open();
        Assert.Equal((JobState.Succeeded, "1"), Value(await caller.Results.ReadAsync("job", Stop)));
        Assert.Equal((JobState.Succeeded, "1"), Value(await caller.Results.WaitAsync("job", Wait.Deadline, Stop)));
        Assert.Null(await caller.Results.ReadAsync("another", Stop));
    }

    [Fact]
    public async Task Late_news_do_not_bring_a_job_back_and_a_second_end_replaces_the_first()
    {
        await using var transport = file.Open();
        transport.Results.Expect("job");
        await WrittenAsync(transport);
        Assert.Equal(JobState.Queued, (await transport.Results.ReadAsync("job", Stop))!.State);
        await TellAsync(transport, Ended("job", "1"));
        await TellAsync(transport, new() { Id = "job", State = JobState.Running, Attempts = 1 });
        transport.Results.Forget("job");
        await WrittenAsync(transport);
        Assert.Equal((JobState.Succeeded, "1"), Value(await transport.Results.ReadAsync("job", Stop)));

        await TellAsync(transport, Ended("job", "2"));

        Assert.Equal((JobState.Succeeded, "2"), Value(await transport.Results.ReadAsync("job", Stop)));
        transport.Results.Expect("job"); // another job of that id
        await WrittenAsync(transport);
        Assert.Equal(JobState.Queued, (await transport.Results.ReadAsync("job", Stop))!.State);
        transport.Results.Forget("job");
        await WrittenAsync(transport);
        Assert.Null(await transport.Results.ReadAsync("job", Stop));
    }

    [Fact]
    public async Task Results_are_removed_a_day_after_the_end_in_small_steps_and_are_not_read_before_that()
    {
        var clock = new WallClock();
        await using var transport = file.Open(clock);
        var session = await transport.SubscribeAsync(new() { Queues = ["q"], Prefetch = 1 }, Stop);
        for (var i = 0; i < 450; i++)
        {
            await TellAsync(transport, Ended($"{i}", "1", clock.GetUtcNow()));
        }

        transport.Results.Expect("waits");
        await WrittenAsync(transport);
        Assert.NotNull(await transport.Results.ReadAsync("7", Stop));

        clock.Jump(TimeSpan.FromDays(1));

        Assert.Null(await transport.Results.ReadAsync("7", Stop));
        await transport.PruneResultsAsync();
        Assert.Equal(251, file.Single("SELECT count(*) FROM jobs_result"));
        await transport.PruneResultsAsync();
        await transport.PruneResultsAsync();
        Assert.Equal(1, file.Single("SELECT count(*) FROM jobs_result"));
        await session.DisposeAsync();
    }

    [Fact]
    public async Task A_wait_that_is_given_up_leaves_nothing_behind()
    {
        await using var transport = file.Open();
        using var cancellation = new CancellationTokenSource();
        var waits = Enumerable.Range(0, 1000).Select(i => transport.Results.WaitAsync($"{i % 10}", Wait.Deadline, cancellation.Token).AsTask()).ToArray();
        var shortWait = await transport.Results.WaitAsync("nobody", TimeSpan.FromMilliseconds(5), Stop);
        Assert.Null(shortWait);

        await cancellation.CancelAsync();

        foreach (var wait in waits)
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wait);
        }

        Assert.Equal(0, ((SqliteResults)transport.Results).Waiting);
    }

    [Fact]
    public async Task Ten_thousand_waiters_each_hear_of_their_own_job()
    {
        const int Count = 10_000;
        await using var worker = file.Open();
        await using var caller = file.Open();
        var results = Enumerable.Range(0, Count).Select(i => caller.Results.WaitAsync($"{i}", Wait.Deadline, Stop).AsTask()).ToArray();

        await worker.PublishAsync([.. Enumerable.Range(0, Count).Select(i => Reply(Ended($"{i}", $"{i}")))], Wait.Deadline, Stop);

        for (var i = 0; i < Count; i++)
        {
            Assert.Equal((JobState.Succeeded, $"{i}"), Value(await results[i].Soon()));
        }
    }

    // The next result gets a number that the transaction gave in vain.
    [Fact]
    public async Task A_waiter_that_came_in_a_transaction_which_was_undone_hears_of_its_job()
    {
        await using var transport = file.Open();
        var first = transport.Results.WaitAsync("first", Wait.Deadline, Stop).AsTask(); // so that the process listens
        await TellAsync(transport, Ended("first", "1"));
        await first.Soon();
        await TellAsync(transport, Ended("unheard", "1")); // nobody waits, so the next waiter begins to look anew
        await using var subscription = (SqliteSubscription)await transport.SubscribeAsync(new() { Queues = ["q"], Prefetch = 1 }, Stop);
        var writer = subscription.Engine.Writer;
        var full = new SqliteException("database or disk is full", 13, 13);
        var runs = 0;
        Task<JobStatus?> waits;
        Task<bool> loses, failsOnce;
        using (await file.LockAsync()) // so that one transaction has all three; after its failure each has one of its own
        {
            loses = writer.DoAsync(tables => Enumerable.Range(0, 10).Sum(_ => tables.NextSeq()) > 0 && ++runs == 1 ? true : throw full, needsSync: true);
            waits = transport.Results.WaitAsync("job", 2 * Wait.Deadline, Stop).AsTask(); // at its end it would read the result
            failsOnce = writer.DoAsync(_ => ++runs == 2 ? throw full : true, needsSync: true);
        }

        await Assert.ThrowsAsync<SqliteException>(() => loses.Soon());
        Assert.True(await failsOnce.Soon());
        await TellAsync(transport, Ended("job", "2"));

        Assert.Equal((JobState.Succeeded, "2"), Value(await waits.Soon()));
    }

    // The application may hold a transaction open for long.
    [Fact]
    public async Task A_status_and_a_result_are_read_while_another_connection_writes()
    {
        await using var transport = file.Open();
        await TellAsync(transport, Ended("job", "1"));
        using var locked = await file.LockAsync();

        Assert.Equal((JobState.Succeeded, "1"), Value(await transport.Results.ReadAsync("job", Stop).AsTask().Soon()));
        Assert.Equal((JobState.Succeeded, "1"), Value(await transport.Results.WaitAsync("job", Wait.Deadline, Stop).AsTask().Soon()));
        Assert.Null(await transport.Results.ReadAsync("another", Stop).AsTask().Soon());
    }

    static (JobState State, string Result) Value(JobStatus? status) => (status!.State, System.Text.Encoding.UTF8.GetString(status.Result.Span));

    static JobStatus Ended(string id, string json, DateTimeOffset? at = null) =>
        new() { Id = id, State = JobState.Succeeded, Result = System.Text.Encoding.UTF8.GetBytes(json), EndedAt = at ?? DateTimeOffset.UtcNow, Attempts = 1 };

    static Outgoing Reply(JobStatus news) => new(
        ResultStore.ById, ResultMessage.Write(news, news.Id, news.HasEnded ? news.EndedAt + TimeSpan.FromDays(1) : null), Kind: OutgoingKind.Reply);

    // The writer works in order.
    static Task WrittenAsync(SqliteTransport transport) => transport.CountAsync("q", Stop);

    static Task TellAsync(SqliteTransport transport, JobStatus news) => transport.PublishAsync(Reply(news), Wait.Deadline, Stop).AsTask().Soon();

    /// <summary>A clock whose timers never fire: only the doorbell wakes a process with it.</summary>
    sealed class NeverLooks : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            base.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }
}
