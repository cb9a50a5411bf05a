using Jobs.BrokerTests.Rabbit;
using Jobs.RabbitMQ;
using Jobs.Transport;

namespace Jobs.BrokerTests.Unit;

/// <summary>The line in which publishes wait.</summary>
public sealed class PublishLineTests
{
    // Nobody looks at deadlines after that: whoever came later would wait for ever.
    [Fact]
    public async Task Once_closed_it_fails_what_waits_and_takes_nothing_more()
    {
        var line = new PublishLine(TimeProvider.System);
        var waiting = line.Add(new Outgoing("work", Bench.Message("1")), 0, Timeout.InfiniteTimeSpan)!;
        line.Close(_ => new ObjectDisposedException("transport"));

        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting.Task.AsTask());
        Assert.Null(line.Add(new Outgoing("work", Bench.Message("2")), 0, Timeout.InfiniteTimeSpan));
    }
}
