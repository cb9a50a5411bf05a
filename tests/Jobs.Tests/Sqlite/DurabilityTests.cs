using Jobs.Contracts;
using Jobs.Sqlite;
using Jobs.Transport;
using Xunit;

namespace Jobs.Tests.Sqlite;

/// <summary>Which transactions wait for the disk. No test can cut the power, so these look at what SQLite was told.</summary>
public sealed class DurabilityTests : IAsyncLifetime
{
    const long Normal = 1;
    const long Full = 2;

    readonly SqliteFile file = new();
    readonly SqliteTransport transport;
    SqliteSubscription? subscription;

    public DurabilityTests() => transport = file.Open();

    static CancellationToken Stop => TestContext.Current.CancellationToken;

    Writer Writer => subscription!.Engine.Writer;

    public async ValueTask InitializeAsync() =>
        subscription = (SqliteSubscription)await transport.SubscribeAsync(new() { Queues = ["work"], Prefetch = 1 }, Stop).Soon();

    public async ValueTask DisposeAsync()
    {
        await transport.DisposeAsync();
        file.Dispose();
    }

    [Fact]
    public async Task What_somebody_relies_on_is_synced_whatever_is_written_together_with_it()
    {
        var synced = new List<Task<long>>();
        for (var i = 0; i < 300; i++)
        {
            _ = LevelAsync(needsSync: false);
            synced.Add(LevelAsync(needsSync: true));
            if (i % 10 == 0)
            {
                await LevelAsync(needsSync: false).Soon(); // so that a transaction without a sync may have begun
            }
        }

        Assert.All(await Task.WhenAll(synced).Soon(), level => Assert.Equal(Full, level));
        await Wait.Until(async () => await LevelAsync(needsSync: false) == Normal); // alone, it waits for no disk
    }

    [Fact]
    public async Task What_comes_while_a_transaction_without_a_sync_waits_for_its_turn_is_synced()
    {
        await LevelAsync(needsSync: true).Soon(); // SQLite begins with a full sync, and the writer has not changed it yet
        Assert.Equal(Normal, await LevelAsync(needsSync: false).Soon());
        Task<long> synced;
        using (await file.LockAsync())
        {
            _ = LevelAsync(needsSync: false);
            await Wait.Until(() => Writer.Problem is not null); // the writer has chosen not to sync, and waits for the lock
            synced = LevelAsync(needsSync: true);
        }

        Assert.Equal(Full, await synced.Soon());
    }

    [Fact]
    public async Task A_publish_a_settlement_with_follow_ups_an_early_acknowledgement_and_what_is_in_a_journal_are_synced()
    {
        var synced = 0;
        Writer.Checkpoint = (checkpoint, operations) =>
        {
            if (checkpoint == "committed")
            {
                synced += operations.Count(operation => operation.NeedsSync);
            }
        };
        await PublishAsync("one");
        await PublishAsync("two");
        var one = (await subscription!.NextAsync().Soon())!;
        await one.SettleAsync([new("next", TestMessage.Of("follow-up"))]).AsTask().Soon();
        var two = (await subscription.NextAsync().Soon())!;
        Assert.True(await two.LeaveEarlyAsync().AsTask().Soon());
        Assert.Equal(4, synced);

        await using var journal = transport.OpenJournal("j");
        await journal.AppendAsync("record"u8.ToArray(), Wait.Deadline, Stop);
        Assert.Equal(5, synced);
        await using var leader = await journal.LeadAsync(Stop).Soon();
        await leader.RewriteAsync([leader.Backlog[0].Handle], ["snapshot"u8.ToArray()], Stop);
        Writer.Checkpoint = null;
        Assert.Equal(6, synced);
    }

    [Fact]
    public async Task On_macOS_a_sync_reaches_the_disk_itself()
    {
        Assert.Equal(1, await Writer.DoAsync(tables => tables.Database.Single("PRAGMA fullfsync"), needsSync: false));
        Assert.Equal(1, await Writer.DoAsync(tables => tables.Database.Single("PRAGMA checkpoint_fullfsync"), needsSync: false));
    }

    Task<long> LevelAsync(bool needsSync) => Writer.DoAsync(tables => tables.Database.Single("PRAGMA synchronous"), needsSync);

    Task PublishAsync(string id) => transport.PublishAsync(new Outgoing("work", TestMessage.Of(id)), Wait.Deadline, Stop).AsTask();
}
