using Jobs.BrokerTests.Brokers;

namespace Jobs.DashboardTests;

/// <summary>Queues, exchanges and a history of their own for one test on the shared broker.</summary>
public sealed class OnRabbitMq(BrokerFixture brokers)
{
    readonly string prefix = $"d{Guid.NewGuid():N}"[..12];

    /// <summary>The exchange of the events.</summary>
    public string Events => $"{prefix}.events";

    public void Transport(JobsBuilder jobs) => jobs
        .UseRabbitMq(brokers.Broker.AmqpUri.ToString(), rabbit => (rabbit.Prefix, rabbit.EventExchange) = (prefix, Events))
        .Configure(o => o.DeadLetterQueue = $"{prefix}.dead");
}
