using Jobs.Contracts;
using Jobs.Sqlite;
using Jobs.Transport;
using Xunit;

namespace Jobs.Tests.Sqlite;

/// <summary>Delays, on a clock that somebody sets.</summary>
public sealed class ClockTests : IAsyncDisposable
{
    readonly SqliteFile file = new();
    readonly WallClock clock = new();
    readonly SqliteTransport transport;

    public ClockTests() => transport = file.Open(clock);

    static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        await transport.DisposeAsync();
        file.Dispose();
    }

    [Fact]
    public async Task A_clock_that_is_set_forward_ends_the_delays_that_it_jumps_over()
    {
        await using var subscription = await SubscribeAsync();
        await PublishAsync("soon", TimeSpan.FromMinutes(59));
        await PublishAsync("later", TimeSpan.FromMinutes(61));

        clock.Jump(TimeSpan.FromHours(1));

        Assert.Equal("soon", await NextAsync(subscription));
        Assert.Equal(1, file.Single("SELECT count(*) FROM jobs_delayed"));
    }

    [Fact]
    public async Task A_clock_that_is_set_back_and_forth_loses_nothing_and_stops_nothing()
    {
        await using var subscription = await SubscribeAsync();
        await PublishAsync("before", TimeSpan.FromMilliseconds(500));
        clock.Jump(TimeSpan.FromHours(-1));

        await PublishAsync("at once");
        Assert.Equal("at once", await NextAsync(subscription));
        await PublishAsync("short", TimeSpan.FromMilliseconds(100));
        Assert.Equal("short", await NextAsync(subscription)); // a delay on the new clock
        Assert.Equal(1, file.Single("SELECT count(*) FROM jobs_delayed"));

        clock.Jump(TimeSpan.FromHours(1));
        Assert.Equal("before", await NextAsync(subscription));
        clock.Jump(TimeSpan.FromHours(1));
        await PublishAsync("short again", TimeSpan.FromMilliseconds(100));
        Assert.Equal("short again", await NextAsync(subscription));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(-1)]
    public async Task A_publish_to_a_locked_file_ends_in_time_although_the_clock_jumps(int hours)
    {
        await PublishAsync("first");
        using var other = await file.LockAsync();
        var start = TimeProvider.System.GetTimestamp();
        var publish = transport.PublishAsync(new Outgoing("work", TestMessage.Of("x")), TimeSpan.FromSeconds(1), Stop).AsTask();
        clock.Jump(TimeSpan.FromHours(hours));

        await Assert.ThrowsAsync<JobPublishException>(() => publish.Soon());

        Assert.InRange(TimeProvider.System.GetElapsedTime(start), TimeSpan.FromSeconds(0.9), Wait.Deadline);
    }

    [Fact]
    public async Task Delayed_jobs_are_delivered_by_their_time_and_not_by_their_number()
    {
        await PublishAsync("third", TimeSpan.FromMinutes(3));
        await PublishAsync("first", TimeSpan.FromMinutes(1));
        await PublishAsync("second", TimeSpan.FromMinutes(2));
        await using var subscription = await SubscribeAsync(prefetch: 1);

        clock.Jump(TimeSpan.FromMinutes(10));

        Assert.Equal("first", await NextAsync(subscription));
        Assert.Equal("second", await NextAsync(subscription));
        Assert.Equal("third", await NextAsync(subscription));
    }

    [Fact]
    public async Task Many_delayed_jobs_cost_no_transactions_while_they_wait_and_all_arrive()
    {
        const int Many = 10_000;
        await using var subscription = await SubscribeAsync(prefetch: 100);
        await Task.WhenAll(Enumerable.Range(0, Many).Select(i => PublishAsync($"{i}", TimeSpan.FromMinutes(30 + (i % 30))))).Soon();
        var writer = ((SqliteSubscription)subscription).Engine.Writer;
        var (looks, writes) = (0, 0);
        writer.Checkpoint = (checkpoint, operations) =>
        {
            if (checkpoint == "committed")
            {
                // Each second, somebody looks for dead sessions. Whatever else is written now is written for the delayed jobs.
                _ = operations.Count > 0 ? looks++ : writes++;
            }
        };
        await Wait.Until(() => looks >= 2);

        Assert.Equal(0, writes);
        Assert.Equal(Many, file.Single("SELECT count(*) FROM jobs_delayed"));

        writer.Checkpoint = null;
        clock.Jump(TimeSpan.FromHours(1));
        var seen = new HashSet<string?>();
        for (var i = 0; i < Many; i++)
        {
            Assert.True(seen.Add(await NextAsync(subscription)));
        }

        Assert.Equal(0, file.Single("SELECT count(*) FROM jobs_delayed"));
    }

    Task PublishAsync(string id, TimeSpan delay = default) =>
        transport.PublishAsync(new Outgoing("work", TestMessage.Of(id), delay), Wait.Deadline, Stop).AsTask();

    Task<JobSubscription> SubscribeAsync(int prefetch = 10) =>
        transport.SubscribeAsync(new() { Queues = ["work"], Prefetch = prefetch }, Stop).Soon();

    /// <summary>Takes the next job, and settles it.</summary>
    static async Task<string> NextAsync(JobSubscription subscription)
    {
        var delivery = (await subscription.NextAsync().Soon())!;
        await delivery.SettleAsync([]);
        return delivery.Message.CorrelationId!;
    }
}
