using Jobs.RabbitMQ;

namespace Jobs.BrokerTests.Unit;

/// <summary>What the liveness check is told of a consumer that starved.</summary>
public sealed class ConsumerStateTests
{
    readonly ManualTime time = new();

    [Fact]
    public void Starvation_goes_on_over_a_new_consumer()
    {
        var state = Starving();
        state.Lost("messages wait");
        state.Gained();
        Assert.Equal(TimeSpan.FromMinutes(6), state.Health().StarvedFor);
    }

    // Or a worker whose queue had messages when an hour of outage began would look an hour starved when it is back, and be restarted.
    [Fact]
    public void An_outage_and_a_refusal_end_it()
    {
        var state = Starving();
        state.Disconnected();
        state.Gained();
        Assert.Equal(TimeSpan.Zero, state.Health().StarvedFor);

        state = Starving();
        state.Failed("406");
        Assert.Equal(TimeSpan.Zero, state.Health().StarvedFor);
    }

    ConsumerState Starving()
    {
        var state = new ConsumerState("work", isQuarantine: false, time);
        state.Gained();
        state.Starves(true);
        time.Timestamp += 6 * TimeSpan.TicksPerMinute;
        return state;
    }
}
