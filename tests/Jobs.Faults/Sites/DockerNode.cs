using System.Globalization;
using Jobs.Brokers;

namespace Jobs.Faults.Sites;

/// <summary>A node in a container with its own address, which it and its data keep over a kill.</summary>
sealed class DockerNode : ClusterNode
{
    public const string Image = "rabbitmq:4-management";
    const string Credentials = "jobs:jobs";
    static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(90);

    readonly string host;
    readonly Uri direct;

    public DockerNode(DockerNetwork network, int number)
    {
        host = HostOf(number);
        Container = network.NameOf(host);
        Address = network.AddressOf(number);
        // Fixed, because Docker would give a restarted container new ones.
        var ports = FreePorts.Take(2);
        direct = new Uri(string.Create(CultureInfo.InvariantCulture, $"amqp://{Credentials}@127.0.0.1:{ports[0]}/"));
        ManagementUri = new Uri(string.Create(CultureInfo.InvariantCulture, $"http://{Credentials}@127.0.0.1:{ports[1]}/"));
    }

    public override string Name => $"rabbit@{host}";

    public override string DirectUri => direct.AbsoluteUri;

    public Uri ManagementUri { get; }

    public string Container { get; }

    /// <summary>In the network of the site.</summary>
    public string Address { get; }

    public async Task CreateAsync(DockerNetwork network, int nodes)
    {
        await network.CreateContainerAsync(Container, Address, Image,
        [
            "--hostname", host,
            // A stopped container has no name in Docker's own DNS, and Erlang would say 'no such host' instead of 'does not answer'.
            .. Enumerable.Range(1, nodes).SelectMany(number => new[] { "--add-host", $"{HostOf(number)}:{network.AddressOf(number)}" }),
            "--publish", $"127.0.0.1:{direct.Port.ToString(CultureInfo.InvariantCulture)}:5672",
            "--publish", $"127.0.0.1:{ManagementUri.Port.ToString(CultureInfo.InvariantCulture)}:15672",
            // Erlang makes a table for as many as are allowed, and some engines allow a thousand million.
            "--ulimit", "nofile=8192",
            "--env", $"RABBITMQ_ERLANG_COOKIE={network.Id}",
            "--env", $"RABBITMQ_DEFAULT_USER={Credentials.Split(':')[0]}",
            "--env", $"RABBITMQ_DEFAULT_PASS={Credentials.Split(':')[1]}",
            "--env", "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 2:2",
        ]);
        // All know the first one only, which starts alone: exactly one cluster to join.
        await DockerCli.WriteAsync(Container, "/etc/rabbitmq/rabbitmq.conf", $"""
            cluster_name = jobs-faults
            cluster_partition_handling = pause_minority
            net_ticktime = 15
            cluster_formation.peer_discovery_backend = classic_config
            cluster_formation.classic_config.nodes.1 = rabbit@{HostOf(1)}
            queue_leader_locator = balanced
            raft.adaptive_failure_detector.poll_interval = 1000
            raft.wal_max_size_bytes = 16777216
            disk_free_limit.absolute = {DiskLimit}
            vm_memory_high_watermark.absolute = {MemoryLimit}

            """);
        await DockerCli.WriteAsync(Container, "/etc/rabbitmq/advanced.config", $"[{{rabbit, [{DeadLettering.Settings}]}}].");
    }

    public override Task<bool> IsRunningAsync() => DockerCli.IsRunningAsync(Container);

    public override Task<string> ControlAsync(string tool, params string[] arguments) =>
        DockerCli.RunAsync(["exec", Container, tool, "--quiet", .. arguments]);

    protected override Task KillProcessAsync() => DockerCli.KillAsync(Container);

    protected override async Task StartProcessAsync()
    {
        await DockerCli.RunAsync("start", Container);
        try
        {
            await Eventually.BecomesAsync(IsServingAsync, StartTimeout, $"node {Name} to start");
        }
        catch (Exception exception)
        {
            throw new InvalidOperationException(
                $"Node {Name} did not start: {exception.Message}\n{await DockerCli.RunAsync("logs", "--tail", "40", Container)}", exception);
        }

        async Task<bool> IsServingAsync()
        {
            if (await AmqpGreeting.IsAnsweredAsync(direct))
                return true;
            await Task.Delay(TimeSpan.FromMilliseconds(200));
            return await IsRunningAsync() ? false : throw new InvalidOperationException("its container ended.");
        }
    }

    // Docker's freezer over cgroup v1 gives up when the container starts processes meanwhile (runc #2791).
    protected override Task FreezeAsync() => Eventually.BecomesAsync(IsFrozenAsync, TimeSpan.FromSeconds(30), $"container {Container} to pause");

    protected override async Task ThawAsync()
    {
        if (await DockerCli.RunAsync("inspect", "--format", "{{.State.Paused}}", Container) == "true")
            await DockerCli.RunAsync("unpause", Container);
    }

    async Task<bool> IsFrozenAsync()
    {
        try
        {
            await DockerCli.RunAsync("pause", Container);
            return true;
        }
        catch (InvalidOperationException exception) when (exception.Message.Contains("unable to freeze", StringComparison.Ordinal))
        {
            return false;
        }
    }

    static string HostOf(int number) => string.Create(CultureInfo.InvariantCulture, $"rmq{number}");
}
