using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;

namespace Jobs.BrokerTests.Cluster;

/// <summary>A stream that has no majority cannot be declared: the broker answers after 30 s, with the end of the connection (541). rabbitmq.md §11, Q1.</summary>
[Collection(nameof(ClusterCollection))]
[Trait("Needs", "cluster")]
public sealed class HistoryClusterTests : IAsyncLifetime
{
    const int Disconnected = 401, HistoryOff = 490, HistoryOn = 491;
    const int Alone = 1;

    LocalCluster? started;
    Bench? ofThisTest;

    LocalCluster Cluster => started!;

    Bench Bench => ofThisTest!;

    public async ValueTask InitializeAsync()
    {
        started = await LocalCluster.StartAsync(settings: "cluster_partition_handling = ignore"); // else the last node would serve nobody
        ofThisTest = new(new ClusterNode(started, Alone));
    }

    public async ValueTask DisposeAsync()
    {
        if (started is { } cluster)
        {
            await Bench.DisposeAsync();
            await cluster.DisposeAsync();
        }
    }

    [Fact]
    public async Task With_two_of_three_nodes_down_one_line_says_that_there_is_no_history_and_no_connection_is_lost()
    {
        await Cluster.KillAsync(0);
        await Cluster.KillAsync(2);
        var history = Rabbit.Bench.Transport(Bench.Host(rabbit: o => o.WatchdogInterval = TimeSpan.FromSeconds(1))).History;
        ((Jobs.RabbitMQ.RabbitMqLog)history).Begin();

        await Eventually.BecomesAsync(() => Bench.Logged(HistoryOff) == 1, TimeSpan.FromSeconds(90), "the history to be off");
        Assert.NotNull(history.Problem);
        Assert.Equal(0, Bench.Logged(Disconnected));

        await Task.WhenAll(Cluster.StartAsync(0), Cluster.StartAsync(2));
        await Eventually.BecomesAsync(() => Bench.Logged(HistoryOn) == 1, TimeSpan.FromSeconds(120), "the history to be on again");
        Assert.Null(history.Problem);
        Assert.Equal(1, Bench.Logged(HistoryOff));
    }
}
