using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;

namespace Jobs.BrokerTests.Publishing;

/// <summary>A broker that takes its time over a declaration: only what waits for that declaration waits.</summary>
[Collection(nameof(BrokerWideCollection))]
public sealed class SlowDeclarationTests(BrokerFixture brokers) : IAsyncDisposable
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(15);

    readonly Bench bench = new(brokers.Broker);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    // The first delayed job of a connection declares 28 levels; every other enqueue of the process used to wait for them.
    [Fact]
    public Task While_the_delay_levels_are_declared_other_jobs_are_enqueued() =>
        OthersGoOnAsync(ProbeTask.Job() with { Id = "slow", Delay = TimeSpan.FromSeconds(1) }, bench.Queue);

    [Fact]
    public Task While_a_queue_is_declared_jobs_for_other_queues_are_enqueued() =>
        OthersGoOnAsync(ProbeTask.Job() with { Id = "slow", Queue = $"{bench.Prefix}.new" }, $"{bench.Prefix}.new");

    [Fact]
    public async Task A_reply_queue_that_is_not_declared_in_5_seconds_is_given_up_and_the_next_one_has_another_name()
    {
        const int ReplyQueueFailed = 470;
        var dispatcher = Bench.Jobs(bench.Host());
        await dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = "first" }, TestContext.Current.CancellationToken);
        Task call;
        await HoldDeclarationsAsync();
        try
        {
            call = dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = "asks", Result = true }, TestContext.Current.CancellationToken);
            await Eventually.BecomesAsync(() => bench.Logged(ReplyQueueFailed) == 1, Soon, "the reply queue to be given up");
            Assert.False(call.IsCompleted);
        }
        finally
        {
            await brokers.Broker.ControlAsync("eval", "jobs_test_lock ! go.");
        }

        await call.WaitAsync(Soon, TestContext.Current.CancellationToken);
        var asks = Assert.Single(await bench.DrainAsync(bench.Queue), message => message.BasicProperties.CorrelationId == "asks");
        Assert.Equal(1, bench.Logged(ReplyQueueFailed, "within 5 s"));
        Assert.Equal(0, bench.Logged(ReplyQueueFailed, asks.BasicProperties.ReplyTo!));
    }

    async Task OthersGoOnAsync(Job slow, string destination)
    {
        var proxy = bench.Proxy();
        var dispatcher = Bench.Jobs(bench.Host(proxy));
        await dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = "first" }, TestContext.Current.CancellationToken);
        Task call;
        await HoldDeclarationsAsync();
        try
        {
            var written = proxy.BytesToServer;
            call = dispatcher.EnqueueAsync(slow, TestContext.Current.CancellationToken);
            await Eventually.BecomesAsync(() => proxy.BytesToServer > written, Soon, "the declaration to be under way");

            await dispatcher.EnqueueAsync(ProbeTask.Job() with { Id = "other" }, TestContext.Current.CancellationToken).WaitAsync(Soon, TestContext.Current.CancellationToken);
            Assert.False(call.IsCompleted);
        }
        finally
        {
            await brokers.Broker.ControlAsync("eval", "jobs_test_lock ! go.");
        }

        await call.WaitAsync(Soon, TestContext.Current.CancellationToken);
        await Eventually.BecomesAsync(async () => (await bench.CountAsync(bench.Queue), await bench.CountAsync(destination)) is (3, 3) or (2, 1), Soon, "all jobs to be there");
    }

    /// <summary>Keeps the table of queues for itself: nobody can make one, and those that are there work.</summary>
    Task HoldDeclarationsAsync() => brokers.Broker.ControlAsync("eval", """
        Caller = self(),
        spawn(fun() ->
            register(jobs_test_lock, self()),
            mnesia:transaction(fun() -> mnesia:write_lock_table(rabbit_durable_queue), Caller ! held, receive go -> ok end end)
        end),
        receive held -> ok end.
        """);
}
