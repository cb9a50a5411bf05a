using Jobs.Contracts;
using Jobs.Sqlite;
using Jobs.Transport;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Jobs.Tests.Sqlite;

/// <summary>Transactions that fail while jobs are held, as on a disk that is full for a while.</summary>
public sealed class FailedTransactionTests : IAsyncLifetime
{
    readonly SqliteFile file = new();
    readonly SqliteTransport transport;
    SqliteSubscription? keeper; // of another queue; it leads to the writer

    public FailedTransactionTests() => transport = file.Open();

    static CancellationToken Stop => TestContext.Current.CancellationToken;

    Writer Writer => keeper!.Engine.Writer;

    public async ValueTask InitializeAsync() => keeper = await SubscribeAsync(transport, "keeper", prefetch: 1);

    public async ValueTask DisposeAsync()
    {
        Writer.Checkpoint = null;
        await transport.DisposeAsync();
        file.Dispose();
    }

    [Fact]
    public async Task A_job_whose_release_cannot_be_written_goes_back_as_soon_as_it_can()
    {
        var subscription = await SubscribeAsync(transport, "work", prefetch: 1);
        await PublishAsync("job");
        var delivery = await NextAsync(subscription);
        FailNext(3);

        await delivery.ReleaseAsync().AsTask().Soon();

        Assert.Equal(1, (await NextAsync(subscription)).DeliveryCount);
    }

    [Fact]
    public async Task A_record_that_is_added_after_a_compaction_that_failed_is_read()
    {
        await using var journal = transport.OpenJournal("j");
        await using var other = file.Open();
        await using var writer = other.OpenJournal("j");
        await journal.AppendAsync("one"u8.ToArray(), Wait.Deadline, Stop);
        await using var leader = await journal.LeadAsync(Stop).Soon();
        var failed = 0;
        Writer.Checkpoint = (step, _) =>
        {
            if (step == "executed" && Interlocked.Exchange(ref failed, 1) == 0)
            {
                throw new SqliteException("disk full", 13);
            }
        };

        // One record takes the number that the snapshot's record had in the transaction that failed.
        await Assert.ThrowsAsync<JobPublishException>(() => leader.RewriteAsync([.. leader.Backlog.Select(record => record.Handle)], ["snapshot"u8.ToArray()], Stop).AsTask().Soon());
        await writer.AppendAsync("two"u8.ToArray(), Wait.Deadline, Stop);

        Assert.Equal("two"u8.ToArray(), (await leader.NextAsync(Stop).Soon()).Bytes.ToArray());
    }

    // A running job may have the lock, and wait for the stop.
    [Fact]
    public async Task A_stop_ends_although_another_connection_keeps_the_file_locked()
    {
        var subscription = await SubscribeAsync(transport, "work", prefetch: 2);
        await PublishAsync("one");
        await PublishAsync("two");
        var delivery = await NextAsync(subscription);
        using (await file.LockAsync())
        {
            await subscription.StopAsync(Stop).Soon();
            await delivery.ReleaseAsync().AsTask().Soon();
            await subscription.DisposeAsync().AsTask().Soon();
        }

        var next = await SubscribeAsync(transport, "work", prefetch: 2);
        Assert.Equal("one", (await NextAsync(next)).Message.CorrelationId);
        Assert.Equal("two", (await NextAsync(next)).Message.CorrelationId);
    }

    [Fact]
    public async Task A_job_whose_acknowledgement_cannot_be_written_is_removed_as_soon_as_it_can()
    {
        var subscription = await SubscribeAsync(transport, "work", prefetch: 1);
        await PublishAsync("job");
        var delivery = await NextAsync(subscription);
        FailNext(3);

        await delivery.SettleAsync([]).AsTask().Soon();

        await Wait.Until(() => file.Single("SELECT count(*) FROM jobs_message") == 0);
        Assert.Equal(0, file.Single("SELECT count(*) FROM jobs_claimed"));
    }

    [Fact]
    public async Task A_settlement_that_cannot_be_written_leaves_the_job_and_its_room_taken()
    {
        var subscription = await SubscribeAsync(transport, "work", prefetch: 1);
        await PublishAsync("one");
        await PublishAsync("two");
        var delivery = await NextAsync(subscription);
        FailNext(1);

        await Assert.ThrowsAsync<JobSettlementException>(() => delivery.SettleAsync([new("next", TestMessage.Of("of one"))]).AsTask().Soon());

        Assert.False(delivery.IsSettled);
        await PublishAsync("three"); // a transaction that could claim
        Assert.Equal(1, file.Single("SELECT count(*) FROM jobs_claimed"));
        Assert.Equal(0, await transport.CountAsync("next", Stop));
        await delivery.SettleAsync([new("next", TestMessage.Of("of one"))]).AsTask().Soon();
        Assert.Equal("two", (await NextAsync(subscription)).Message.CorrelationId);
        Assert.Equal(1, await transport.CountAsync("next", Stop));
    }

    [Fact]
    public async Task An_early_acknowledgement_that_cannot_be_written_leaves_the_job_and_its_room_taken()
    {
        var subscription = await SubscribeAsync(transport, "work", prefetch: 1);
        await PublishAsync("one");
        await PublishAsync("two");
        var delivery = await NextAsync(subscription);
        FailNext(1);

        await Assert.ThrowsAnyAsync<Exception>(() => delivery.LeaveEarlyAsync().AsTask().Soon());

        await PublishAsync("three");
        Assert.Equal(1, file.Single("SELECT count(*) FROM jobs_claimed"));
        Assert.True(await delivery.LeaveEarlyAsync().AsTask().Soon());
        Assert.Equal("two", (await NextAsync(subscription)).Message.CorrelationId);
    }

    [Fact]
    public async Task A_subscription_that_cannot_be_written_takes_no_jobs()
    {
        await PublishAsync("job");
        for (var after = 0; after < 4; after++)
        {
            FailNext(1, after);
            try
            {
                await using var lost = await transport.SubscribeAsync(new() { Queues = ["work"], Prefetch = 1 }, Stop).Soon();
            }
            catch (SqliteException)
            {
                // As it should be.
            }

            Writer.Checkpoint = null;
            await using var subscription = await SubscribeAsync(transport, "work", prefetch: 1);
            await (await NextAsync(subscription)).ReleaseAsync();
        }
    }

    [Fact]
    public async Task A_subscription_ends_while_nothing_can_be_written_and_its_jobs_go_back_later()
    {
        await using var elsewhere = file.Open();
        var subscription = await SubscribeAsync(transport, "work", prefetch: 3);
        foreach (var id in (string[])["a", "b", "c"])
        {
            await PublishAsync(id);
        }

        await NextAsync(subscription);
        FailNext(int.MaxValue);
        await subscription.DisposeAsync().AsTask().Soon();

        var other = await SubscribeAsync(elsewhere, "work", prefetch: 3);
        string[] found = [await IdAsync(other), await IdAsync(other), await IdAsync(other)];
        Assert.Equal(["a", "b", "c"], found.Order());
    }

    [Fact]
    public async Task A_transport_closes_while_nothing_can_be_written_and_its_jobs_run_elsewhere()
    {
        var subscription = await SubscribeAsync(transport, "work", prefetch: 2);
        await PublishAsync("a");
        await PublishAsync("b");
        await NextAsync(subscription);
        FailNext(int.MaxValue);

        await transport.DisposeAsync().AsTask().Soon();

        await using var elsewhere = file.Open();
        var other = await SubscribeAsync(elsewhere, "work", prefetch: 3);
        string[] found = [await IdAsync(other), await IdAsync(other)];
        Assert.Equal(["a", "b"], found.Order());
    }

    [Fact]
    public async Task A_subscription_that_was_cancelled_before_it_began_takes_no_jobs()
    {
        await PublishAsync("job");
        using (await file.LockAsync()) // so that it cannot begin
        {
            using var cancelling = new CancellationTokenSource();
            var starting = transport.SubscribeAsync(new() { Queues = ["work"], Prefetch = 1 }, cancelling.Token);
            await cancelling.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => starting);
        }

        var subscription = await SubscribeAsync(transport, "work", prefetch: 1);
        Assert.Equal("job", await IdAsync(subscription));
    }

    [Fact]
    public async Task One_operation_that_cannot_be_written_does_not_fail_the_others()
    {
        var other = await file.LockAsync(); // so that all of them wait for one transaction
        var all = Enumerable.Range(0, 20).Select(i => (Id: $"{i}", Task: PublishAsync($"{i}"))).ToList();
        var doomed = Writer.DoAsync<int>(_ => throw new SqliteException("string or blob too big", 18, 18), needsSync: true);
        all.AddRange(Enumerable.Range(20, 20).Select(i => ($"{i}", PublishAsync($"{i}"))));
        other.Dispose();

        await Assert.ThrowsAsync<SqliteException>(() => doomed.Soon());
        await Task.WhenAll(all.Select(one => one.Task)).Soon();
        Assert.Equal(40, await transport.CountAsync("work", Stop));
    }

    /// <summary>Lets transactions fail, after some that do not.</summary>
    void FailNext(int count, int after = 0) => Writer.Checkpoint = (checkpoint, _) =>
    {
        if (checkpoint == "executed" && after-- <= 0 && count-- > 0)
        {
            throw new SqliteException("database or disk is full", 13, 13);
        }
    };

    Task PublishAsync(string id) => transport.PublishAsync(new Outgoing("work", TestMessage.Of(id)), Wait.Deadline, Stop).AsTask();

    static async Task<SqliteSubscription> SubscribeAsync(SqliteTransport transport, string queue, int prefetch) =>
        (SqliteSubscription)await transport.SubscribeAsync(new() { Queues = [queue], Prefetch = prefetch }, Stop).Soon();

    static async Task<Delivery> NextAsync(JobSubscription subscription) => (await subscription.NextAsync().Soon())!;

    static async Task<string> IdAsync(JobSubscription subscription) => (await NextAsync(subscription)).Message.CorrelationId!;
}
