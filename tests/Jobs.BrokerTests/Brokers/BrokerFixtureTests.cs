using Jobs.Brokers;
using RabbitMQ.Client;

namespace Jobs.BrokerTests.Brokers;

/// <summary>What every other test takes for granted about the shared broker.</summary>
public sealed class BrokerFixtureTests(BrokerFixture brokers)
{
    [Fact]
    public async Task The_broker_takes_a_message_and_shows_it_to_the_management_api()
    {
        var cancellation = TestContext.Current.CancellationToken;
        var queue = TestBroker.NewName("fixture");
        await using var connection = await new ConnectionFactory { Uri = brokers.Broker.AmqpUri }.CreateConnectionAsync(cancellation);
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true), cancellation);
        await channel.QueueDeclareAsync(queue, durable: false, exclusive: true, autoDelete: true, cancellationToken: cancellation);
        await channel.BasicPublishAsync("", queue, mandatory: true, new byte[] { 1 }, cancellation);

        Assert.Equal(1u, await channel.MessageCountAsync(queue, cancellation));
        var overview = await brokers.Broker.ManagementAsync("api/overview");
        Assert.Equal(brokers.Broker.Version, overview.GetProperty("rabbitmq_version").GetString());
    }

    [Fact]
    public async Task The_command_line_of_the_broker_can_be_used()
    {
        if (Environment.GetEnvironmentVariable("JOBS_TEST_BROKER") is { Length: > 0 })
        {
            await Assert.ThrowsAsync<NotSupportedException>(() => brokers.Broker.ControlAsync("list_vhosts"));
            return;
        }

        Assert.Contains("/", await brokers.Broker.ControlAsync("list_vhosts"), StringComparison.Ordinal);
        var exception = await Assert.ThrowsAsync<InvalidOperationException>(() => brokers.Broker.ControlAsync("no_such_command"));
        Assert.Contains("no_such_command", exception.Message, StringComparison.Ordinal);
    }
}
