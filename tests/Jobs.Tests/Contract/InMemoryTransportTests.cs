using Jobs.Contracts;
using Jobs.Transport;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Jobs.Tests.Contract;

public sealed class InMemoryTransportTests() : TransportContract(new InMemoryHarness())
{
    [Fact]
    public async Task A_delay_longer_than_a_timer_can_hold_is_kept()
    {
        var clock = new FakeTimeProvider();
        await using var transport = new InMemoryTransport(clock);
        await transport.PublishAsync(new Outgoing("q", TestMessage.Of(), TimeSpan.FromDays(400)), Timeout.InfiniteTimeSpan, CancellationToken.None);

        for (var day = 0; day < 400; day++) // a timer armed in one jump of this clock counts from the jump's end
        {
            Assert.Equal(0, await transport.CountAsync("q", CancellationToken.None));
            clock.Advance(TimeSpan.FromDays(1));
        }

        Assert.Equal(1, await transport.CountAsync("q", CancellationToken.None));
    }

    [Fact]
    public async Task What_comes_back_comes_first_and_in_its_old_order()
    {
        await using var transport = new InMemoryTransport(TimeProvider.System);
        foreach (var id in new[] { "1", "2", "3", "4" })
        {
            await transport.PublishAsync(new Outgoing("q", TestMessage.Of(id: id)), Timeout.InfiniteTimeSpan, CancellationToken.None);
        }

        var first = await transport.SubscribeAsync(new() { Queues = ["q"], Prefetch = 3 }, CancellationToken.None);
        await first.NextAsync().Soon();
        await first.NextAsync().Soon();
        await first.DisposeAsync();

        await using var second = await transport.SubscribeAsync(new() { Queues = ["q"], Prefetch = 4 }, CancellationToken.None);
        var order = new List<string?>();
        for (var i = 0; i < 4; i++)
        {
            order.Add((await second.NextAsync().Soon())!.Message.CorrelationId);
        }

        Assert.Equal(["1", "2", "3", "4"], order);
    }

    sealed class InMemoryHarness : TransportHarness
    {
        readonly FakeTimeProvider clock = new();
        readonly InMemoryTransport transport;

        public InMemoryHarness() => transport = new(clock, options: new() { HistoryBytes = HistoryBytes });

        public override JobTransport Transport => transport;

        public override TimeProvider Clock => clock;

        public override TimeSpan Tolerance => TimeSpan.Zero;

        public override ValueTask PassAsync(TimeSpan time)
        {
            clock.Advance(time);
            return ValueTask.CompletedTask;
        }

        public override ValueTask QuietAsync() => SettleDownAsync();

        // Delivery is a channel's continuation: a few turns of the thread pool.
        public override async ValueTask SettleDownAsync()
        {
            for (var i = 0; i < 5; i++)
            {
                await Wait.PauseAsync();
            }
        }

        // Its messages die with its process; the nearest thing is a subscription that goes without a settlement.
        public override ValueTask CrashAsync(JobSubscription subscription) => subscription.DisposeAsync();
    }
}
