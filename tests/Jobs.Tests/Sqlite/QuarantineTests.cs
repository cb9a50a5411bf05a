using Jobs.Contracts;
using Jobs.Sqlite;
using Jobs.Transport;
using Xunit;

namespace Jobs.Tests.Sqlite;

/// <summary>Jobs that kill their workers run alone, in whatever process.</summary>
public sealed class QuarantineTests : IAsyncDisposable
{
    readonly SqliteFile file = new();
    readonly SqliteTransport one;
    readonly SqliteTransport two;

    public QuarantineTests() => (one, two) = (file.Open(), file.Open());

    static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        await one.DisposeAsync();
        await two.DisposeAsync();
        file.Dispose();
    }

    [Theory]
    [InlineData(20, 5)]
    [InlineData(6, 3)]
    [InlineData(2, 1)]
    public async Task A_job_whose_workers_die_is_quarantined_after_some_deaths(int maxDeliveries, int deaths)
    {
        await PublishAsync("killer");
        for (var death = 0; death < deaths; death++)
        {
            var victim = await SubscribeAsync(one, maxDeliveries: maxDeliveries);
            var delivery = await NextAsync(victim);
            Assert.Equal((false, death), (delivery.IsQuarantined, delivery.DeliveryCount));
            await DieAsync(victim);
        }

        // There, the deaths count from the beginning.
        for (var death = 0; death < 3; death++)
        {
            var victim = await SubscribeAsync(one, maxDeliveries: maxDeliveries);
            var delivery = await NextAsync(victim);
            Assert.Equal((true, death, "work"), (delivery.IsQuarantined, delivery.DeliveryCount, delivery.Queue));
            await DieAsync(victim);
        }
    }

    [Fact]
    public async Task A_release_in_quarantine_does_not_count()
    {
        await QuarantineAsync("job");
        var subscription = await SubscribeAsync(one);

        for (var i = 0; i < 3; i++)
        {
            var delivery = await NextAsync(subscription);
            Assert.Equal((true, 0), (delivery.IsQuarantined, delivery.DeliveryCount));
            await delivery.ReleaseAsync();
        }

        var last = await NextAsync(subscription);
        await DieAsync(subscription);
        Assert.Equal(0, last.DeliveryCount);
        Assert.Equal(1, (await NextAsync(await SubscribeAsync(two))).DeliveryCount);
    }

    [Fact]
    public async Task Quarantined_jobs_run_one_at_a_time_across_processes_and_hold_up_no_others()
    {
        string[] suspects = ["a", "b", "c", "d"];
        await QuarantineAsync(suspects);
        await using var left = await SubscribeAsync(one, prefetch: 10);
        await using var right = await SubscribeAsync(two, prefetch: 10);
        var waiting = new Dictionary<JobSubscription, Task<Delivery?>>();
        var seen = new List<string>();
        for (var i = 0; i < suspects.Length; i++)
        {
            var (by, suspect) = await AnyAsync();
            Assert.True(suspect.IsQuarantined);
            seen.Add(suspect.Message.CorrelationId!);

            // All others overtake the suspect, and no second suspect comes.
            for (var n = 0; n < 5; n++)
            {
                await PublishAsync($"healthy {i} {n}");
                var healthy = (await AnyAsync()).Delivery;
                Assert.Equal((false, $"healthy {i} {n}"), (healthy.IsQuarantined, healthy.Message.CorrelationId));
                await healthy.SettleAsync([]);
            }

            Assert.Equal(suspects.Length - i - 1, await one.CountAsync("jobs.quarantine.work", Stop));
            await suspect.SettleAsync([]);
        }

        Assert.Equal(suspects, seen.Order());

        async Task<(JobSubscription By, Delivery Delivery)> AnyAsync()
        {
            foreach (var subscription in (JobSubscription[])[left, right])
            {
                if (!waiting.ContainsKey(subscription))
                {
                    waiting[subscription] = subscription.NextAsync().AsTask();
                }
            }

            var first = await Task.WhenAny(waiting.Values).Soon();
            var by = waiting.Single(pair => pair.Value == first).Key;
            waiting.Remove(by);
            return (by, (await first)!);
        }
    }

    [Fact]
    public async Task Suspects_at_the_head_of_a_queue_hold_up_nothing_behind_them()
    {
        await QuarantineAsync([.. Enumerable.Range(0, 20).Select(i => $"suspect {i}")], move: false);
        await PublishAsync("healthy");
        await using var subscription = await SubscribeAsync(one, prefetch: 2);

        Delivery[] both = [await NextAsync(subscription), await NextAsync(subscription)];

        Assert.Equal(["healthy", "suspect 0"], both.Select(delivery => delivery.Message.CorrelationId).Order());
    }

    Task QuarantineAsync(params string[] ids) => QuarantineAsync(ids, move: true);

    /// <summary>Lets each job see one worker die, which is enough with few deliveries.</summary>
    async Task QuarantineAsync(string[] ids, bool move)
    {
        foreach (var id in ids)
        {
            await PublishAsync(id);
        }

        var victim = await SubscribeAsync(one, prefetch: ids.Length);
        foreach (var _ in ids)
        {
            await NextAsync(victim);
        }

        await DieAsync(victim);
        if (move)
        {
            var mover = await SubscribeAsync(one, prefetch: ids.Length);
            await (await NextAsync(mover)).ReleaseAsync();
            await mover.DisposeAsync();
        }
    }

    Task PublishAsync(string id) => one.PublishAsync(new Outgoing("work", TestMessage.Of(id)), Wait.Deadline, Stop).AsTask();

    static async Task<SqliteSubscription> SubscribeAsync(SqliteTransport transport, int prefetch = 1, int maxDeliveries = 2) =>
        (SqliteSubscription)await transport.SubscribeAsync(
            new() { Queues = ["work"], Prefetch = prefetch, MaxDeliveries = maxDeliveries }, Stop).Soon();

    /// <summary>Lets the worker die, and another one find it at once.</summary>
    static async Task DieAsync(SqliteSubscription subscription)
    {
        await subscription.AbandonAsync();
        await subscription.Engine.Sessions.BuryDeadAsync();
    }

    static async Task<Delivery> NextAsync(JobSubscription subscription) => (await subscription.NextAsync().Soon())!;
}
