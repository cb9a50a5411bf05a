namespace Jobs.Brokers;

/// <summary>One <see cref="LocalNode"/>.</summary>
sealed class LocalBroker : TestBroker
{
    readonly LocalHome home;
    readonly LocalNode node;

    LocalBroker(LocalHome home, LocalNode node) : base(node.AmqpUri)
    {
        this.home = home;
        this.node = node;
    }

    public override Uri ManagementUri => node.ManagementUri;

    public static async Task<TestBroker> StartAsync()
    {
        var home = LocalHome.Create();
        var broker = new LocalBroker(home, new LocalNode(home, "jobs", settings: ""));
        try
        {
            await broker.RestartNodeAsync();
            return broker;
        }
        catch
        {
            await broker.DisposeAsync();
            throw;
        }
    }

    public override Task<string> ControlAsync(params string[] rabbitmqctlArguments) => node.ControlAsync(rabbitmqctlArguments);

    public override Task KillNodeAsync() => node.KillAsync();

    public override async Task RestartNodeAsync()
    {
        try
        {
            await node.StartAsync();
        }
        catch (InvalidOperationException exception) when (exception.InnerException is TimeoutException)
        {
            // Seen once in some thousand starts of RabbitMQ 3.10, after a kill: the process lived and served nobody.
            await node.KillAsync();
            await node.StartAsync();
        }
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        await node.DisposeAsync();
        await home.DisposeAsync();
    }
}
