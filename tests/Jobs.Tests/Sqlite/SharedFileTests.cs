using System.Collections.Concurrent;
using Jobs.Contracts;
using Jobs.Sqlite;
using Jobs.Transport;
using Xunit;

namespace Jobs.Tests.Sqlite;

/// <summary>Several processes on one file, each a transport of its own.</summary>
public sealed class SharedFileTests : IDisposable
{
    readonly SqliteFile file = new();

    static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => file.Dispose();

    [Fact]
    public async Task Every_job_is_delivered_once_whoever_enqueues_it_and_whoever_runs_it()
    {
        const int Each = 300;
        await using var one = file.Open();
        await using var two = file.Open();
        await using var three = file.Open();
        await using var left = await SubscribeAsync(one, prefetch: 7);
        await using var right = await SubscribeAsync(two, prefetch: 5);
        var seen = new ConcurrentQueue<string>();
        var running = Task.WhenAll(RunAsync(left), RunAsync(right));

        await Task.WhenAll(PublishAllAsync(one, "a"), PublishAllAsync(two, "b"), PublishAllAsync(three, "c")).Soon();
        await Wait.Until(() => seen.Count >= 3 * Each);
        await Wait.Until(() => file.Single("SELECT count(*) FROM jobs_message") == 0);
        await left.StopAsync(Stop).Soon();
        await right.StopAsync(Stop).Soon();
        await running.Soon();

        var expected = from prefix in (string[])["a", "b", "c"] from i in Enumerable.Range(0, Each) select $"{prefix}{i}";
        Assert.Equal(expected.Order(StringComparer.Ordinal), seen.Order(StringComparer.Ordinal));

        async Task RunAsync(JobSubscription subscription)
        {
            while (await subscription.NextAsync() is { } delivery)
            {
                seen.Enqueue(delivery.Message.CorrelationId!);
                await delivery.SettleAsync([]);
            }
        }

        async Task PublishAllAsync(SqliteTransport transport, string prefix)
        {
            for (var i = 0; i < Each; i += 10)
            {
                await Task.WhenAll(Enumerable.Range(i, 10).Select(n => PublishAsync(transport, $"{prefix}{n}")));
            }
        }
    }

    [Fact]
    public async Task A_job_of_another_process_arrives_long_before_anybody_looks()
    {
        await using var sender = file.Open();
        await using var receiver = file.Open();
        await using var subscription = await SubscribeAsync(receiver, prefetch: 1);
        var start = TimeProvider.System.GetTimestamp();
        for (var i = 0; i < 50; i++)
        {
            await PublishAsync(sender, $"{i}");
            var delivery = (await subscription.NextAsync().Soon())!;
            Assert.Equal($"{i}", delivery.Message.CorrelationId);
            await delivery.SettleAsync([]);
        }

        // By looking, which happens once a second, it would take 50 seconds.
        Assert.InRange(TimeProvider.System.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task Processes_that_come_and_go_do_not_disturb_each_other()
    {
        // The last one to leave tidies the file up, alone; the first one to come makes it.
        const int Each = 40;
        await Task.WhenAll(Enumerable.Range(0, 3).Select(n => Task.Run(() => ComeAndGoAsync(n), Stop))).Soon();
        Assert.Equal(3 * Each, file.Single("SELECT count(*) FROM jobs_ready"));

        async Task ComeAndGoAsync(int n)
        {
            for (var i = 0; i < Each; i++)
            {
                await using var transport = file.Open();
                if (i % 4 == 0)
                {
                    await using var subscription = await transport.SubscribeAsync(new() { Queues = ["other"], Prefetch = 1 }, Stop);
                }

                await PublishAsync(transport, $"{n} {i}");
            }
        }
    }

    [Theory]
    [InlineData("folder")]
    [InlineData("file")]
    public async Task Two_names_of_one_file_share_its_sessions(string link)
    {
        var other = Path.Combine(file.Folder.FullName, "elsewhere");
        await using var one = file.Open();
        Assert.Empty(one.Problems());
        if (link == "folder")
        {
            Directory.CreateSymbolicLink(other, file.Folder.FullName);
            other = Path.Combine(other, "jobs.db");
        }
        else
        {
            File.CreateSymbolicLink(other, file.Path);
        }

        await using var two = SqliteFile.Open(other);
        await using var holder = await SubscribeAsync(one, prefetch: 1);
        await PublishAsync(two, "held");
        Assert.NotNull(await holder.NextAsync().Soon());

        // Whoever finds a dead session has looked at all of them.
        await using var finder = await SubscribeAsync(two, prefetch: 1);
        Assert.Equal(((SqliteSubscription)holder).Engine.File.Path, ((SqliteSubscription)finder).Engine.File.Path);
        var dead = (SqliteSubscription)await SubscribeAsync(one, prefetch: 1);
        await dead.AbandonAsync();
        await Wait.Until(() => file.Single("SELECT count(*) FROM jobs_session") == 2);

        Assert.Equal(1, file.Single("SELECT count(*) FROM jobs_claimed"));
        Assert.Equal($"{file.Path}-sessions", Assert.Single(Directory.GetDirectories(file.Folder.FullName, "*-sessions")));
    }

    [Fact]
    public async Task Dead_processes_leave_nothing_behind_beside_the_file()
    {
        await using (var survivor = file.Open())
        {
            await using var subscription = await SubscribeAsync(survivor, prefetch: 1);
            await using var victim = new WorkerProcess(file.Path);
            victim.Do("hold 1");
            await Wait.Until(() => file.Single("SELECT count(*) FROM jobs_session") == 2);
            await victim.KillAsync();
            await Wait.Until(() => Directory.GetFiles($"{file.Path}-sessions").Length == 2); // the survivor's lock and bell
        }

        Assert.Empty(Directory.GetFiles($"{file.Path}-sessions"));
        Assert.Equal(["jobs.db"], file.Folder.GetFiles().Select(left => left.Name));
    }

    static Task PublishAsync(SqliteTransport transport, string id) =>
        transport.PublishAsync(new Outgoing("work", TestMessage.Of(id)), Wait.Deadline, Stop).AsTask();

    static Task<JobSubscription> SubscribeAsync(SqliteTransport transport, int prefetch) =>
        transport.SubscribeAsync(new() { Queues = ["work"], Prefetch = prefetch }, Stop).Soon();
}
