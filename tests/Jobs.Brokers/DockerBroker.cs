using DotNet.Testcontainers.Containers;
using Testcontainers.RabbitMq;

namespace Jobs.Brokers;

/// <summary>A container of the image that <c>docker-compose.yml</c> uses.</summary>
sealed class DockerBroker : TestBroker
{
    const string Image = "rabbitmq:4-management";

    readonly RabbitMqContainer container;
    readonly int managementPort;

    DockerBroker(RabbitMqContainer container, int amqpPort, int managementPort)
        : base(new Uri($"amqp://{RabbitMqBuilder.DefaultUsername}:{RabbitMqBuilder.DefaultPassword}@{container.Hostname}:{amqpPort}/"))
    {
        this.container = container;
        this.managementPort = managementPort;
    }

    public override Uri ManagementUri =>
        new($"http://{RabbitMqBuilder.DefaultUsername}:{RabbitMqBuilder.DefaultPassword}@{container.Hostname}:{managementPort}/");

    public static async Task<bool> DaemonAnswersAsync()
    {
        try
        {
            await Command.RunAsync("docker", ["version", "--format", "{{.Server.Version}}"], environment: null, TimeSpan.FromSeconds(5));
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    public static async Task<TestBroker> StartAsync()
    {
        // Fixed, because Docker gives a restarted container new random ports and clients could not come back.
        var ports = FreePorts.Take(2);
        var builder = new RabbitMqBuilder(Image)
            .WithPortBinding(ports[0], 5672)
            .WithPortBinding(ports[1], 15672);
        // tests/run.sh removes by this label what a killed test host leaves behind; Testcontainers' own reaper may be off.
        if (Environment.GetEnvironmentVariable("JOBS_TEST_RUN") is { Length: > 0 } run)
            builder = builder.WithLabel("jobs.test.run", run);
        var container = builder.Build();
        try
        {
            await container.StartAsync();
            return new DockerBroker(container, ports[0], ports[1]);
        }
        catch
        {
            await container.DisposeAsync();
            throw;
        }
    }

    public override async Task<string> ControlAsync(params string[] rabbitmqctlArguments)
    {
        var result = await container.ExecAsync(["rabbitmqctl", "--quiet", .. rabbitmqctlArguments]);
        return result.ExitCode == 0
            ? result.Stdout
            : throw new InvalidOperationException(
                $"'rabbitmqctl {string.Join(' ', rabbitmqctlArguments)}' ended with {result.ExitCode}: {result.Stderr}{result.Stdout}");
    }

    public override async Task KillNodeAsync()
    {
        // Halt without flushing is what SIGKILL does, and a container's first process cannot be sent SIGKILL from inside.
        // The exit code is of no use: the command loses its node in the middle.
        await container.ExecAsync(["rabbitmqctl", "eval", "erlang:halt(137, [{flush, false}])."]);
        await container.StopAsync();
    }

    public override async Task RestartNodeAsync()
    {
        if (container.State == TestcontainersStates.Running)
            throw new InvalidOperationException("The node is running already; kill it first.");
        await container.StartAsync();
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        await container.DisposeAsync();
    }
}
