using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Jobs.Contracts;
using Microsoft.Extensions.DependencyInjection;

namespace Jobs.BrokerTests.Results;

/// <summary>What users see of jobs from end to end, on a real broker.</summary>
public sealed class RabbitHostTests(BrokerFixture brokers) : HostContract
{
    readonly Bench bench = new(brokers.Broker);

    protected override string Queue => $"{bench.Prefix}.host";

    protected override string DocumentedAs => "RabbitMQ";

    protected override void UseTransport(JobsBuilder jobs) => jobs.UseRabbitMq(
        brokers.Broker.AmqpUri.ToString(), rabbit => (rabbit.Prefix, rabbit.EventExchange) = (bench.Prefix, $"{bench.Prefix}.events"));

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        await bench.DisposeAsync();
    }
}
