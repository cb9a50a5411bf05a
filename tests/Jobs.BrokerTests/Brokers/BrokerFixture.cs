using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;

[assembly: AssemblyFixture(typeof(BrokerFixture))]

namespace Jobs.BrokerTests.Brokers;

/// <summary>
/// Gives the tests a real broker, the first that there is: <c>JOBS_TEST_BROKER</c> (an amqp URI), Docker, a local rabbitmq-server.
/// <c>JOBS_TEST_BROKER_KIND</c> = <c>docker</c> or <c>processes</c> allows only that one of the last two.
/// None at all is a failure and never a skip: a green run without a broker would say nothing.
/// </summary>
public sealed class BrokerFixture : IAsyncLifetime
{
    TestBroker? broker;

    public TestBroker Broker => broker ?? throw new InvalidOperationException("The broker is not started yet.");

    public async ValueTask InitializeAsync()
    {
        broker = await FindAsync();
        await broker.ConnectOnceAsync();
        TestContext.Current.SendDiagnosticMessage("RabbitMQ {0} ({1})", broker.Version, broker.GetType().Name);
    }

    public async ValueTask DisposeAsync()
    {
        if (broker is not null)
            await broker.DisposeAsync();
    }

    /// <summary>Skips a test that needs rabbitmqctl, which a broker that somebody else has started does not give us.</summary>
    public void RequireControl()
    {
        if (Broker is ExternalBroker)
        {
            Assert.Skip("needs rabbitmqctl");
        }
    }

    static async Task<TestBroker> FindAsync()
    {
        if (Environment.GetEnvironmentVariable("JOBS_TEST_BROKER") is { Length: > 0 } uri)
            return new ExternalBroker(new Uri(uri));

        var kind = Environment.GetEnvironmentVariable("JOBS_TEST_BROKER_KIND");
        return kind switch
        {
            "docker" => await DockerBroker.StartAsync(),
            "processes" => await LocalBroker.StartAsync(),
            null or "" => await FirstThatStartsAsync(),
            _ => throw new InvalidOperationException($"JOBS_TEST_BROKER_KIND is '{kind}'; it must be 'docker' or 'processes'."),
        };
    }

    static async Task<TestBroker> FirstThatStartsAsync()
    {
        Exception? noContainer = null;
        if (await DockerBroker.DaemonAnswersAsync())
        {
            try
            {
                return await DockerBroker.StartAsync();
            }
            catch (Exception exception)
            {
                // A daemon that cannot get the image, for example. A local node may still do.
                noContainer = exception;
            }
        }

        if (LocalInstallation.IsPresent)
            return await LocalBroker.StartAsync();

        throw new InvalidOperationException(
            "These tests need a RabbitMQ broker and there is none. Do one of: set JOBS_TEST_BROKER to an amqp URI; start Docker; "
            + "apt-get install rabbitmq-server. tests/run.sh does the last by itself."
            + (noContainer is null ? " Docker does not answer." : $" Docker answers, but: {noContainer.Message}"),
            noContainer);
    }
}
