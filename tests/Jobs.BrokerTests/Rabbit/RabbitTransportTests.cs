using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.Contracts;
using Jobs.RabbitMQ;
using Jobs.Transport;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Jobs.BrokerTests.Rabbit;

/// <summary>The contract of all transports, on a real broker.</summary>
public sealed class RabbitTransportTests(BrokerFixture brokers) : TransportContract(new Harness(brokers.Broker))
{
    sealed class Harness(TestBroker broker) : TransportHarness
    {
        readonly Bench bench = new(broker);
        TcpProxy? proxy;
        JobTransport? transport;
        int queues;

        public override JobTransport Transport => transport!;

        public override string NewQueue() => $"{bench.Prefix}.contract.{queues++}";

        public override ValueTask StartAsync()
        {
            proxy = bench.Proxy();
            transport = new RabbitMqTransport(
                Options.Create(new RabbitMqOptions { Uri = proxy.Through(broker.AmqpUri).ToString(), Prefix = bench.Prefix, ClientName = bench.Prefix, EventExchange = $"{bench.Prefix}.events" }),
                Options.Create(new JobsOptions { DeadLetterQueue = bench.DeadQueue, HistoryBytes = HistoryBytes }),
                TimeProvider.System,
                NullLogger<RabbitMqTransport>.Instance,
                new());
            return ValueTask.CompletedTask;
        }

        public override bool HistoryIsFedByBroadcast => true;

        public override async ValueTask AddToHistoryAsync(params ReadOnlyMemory<byte>[] entries)
        {
            await transport!.History.ExtentAsync(CancellationToken.None); // the stream must be there first
            await bench.SendEventsAsync("jobs.test", entries, exchange: $"{bench.Prefix}.events");
        }

        // All connections of the process go, and none can come back before the subscription has been given up.
        public override async ValueTask CrashAsync(JobSubscription subscription)
        {
            await WrittenAsync();
            proxy!.RefuseNew();
            proxy.ResetAll();
            await Eventually.BecomesAsync(() => proxy.OpenConnections == 0, TimeSpan.FromSeconds(10), "the connections to be gone");
            await subscription.DisposeAsync();
            proxy.AcceptNew();
        }

        // An ack has no confirm: one that is still on its way out of the process is lost with it, and the contract speaks of those that are not.
        async Task WrittenAsync()
        {
            var written = -1L;
            await Eventually.BecomesAsync(() => written == (written = proxy!.BytesToServer), TimeSpan.FromSeconds(5), "what was settled to be written");
        }

        public override async ValueTask DisposeAsync()
        {
            await base.DisposeAsync();
            await bench.DisposeAsync();
        }
    }
}
