using System.Text.Json;

namespace Jobs.Brokers;

/// <summary>
/// Nodes of rabbitmq-server as operating system processes, joined to one cluster that pauses its minority side.
/// Tests that use one belong to the collection <c>ClusterCollection</c>: two clusters at once are too much for a small machine.
/// </summary>
public sealed class LocalCluster : IAsyncDisposable
{
    static readonly TimeSpan JoinTimeout = TimeSpan.FromSeconds(30);

    readonly LocalHome home;
    readonly ManagementApi[] management;

    LocalCluster(LocalHome home, IReadOnlyList<LocalNode> nodes)
    {
        this.home = home;
        Nodes = nodes;
        management = [.. nodes.Select(node => new ManagementApi(node.ManagementUri))];
    }

    public IReadOnlyList<LocalNode> Nodes { get; }

    /// <summary>One per node, in the order of <see cref="Nodes"/>.</summary>
    public IReadOnlyList<Uri> AmqpUris => [.. Nodes.Select(node => node.AmqpUri)];

    /// <summary>Returns when all nodes that are to run serve clients, and see each other when they are all.</summary>
    /// <param name="size">How many nodes.</param>
    /// <param name="settings">Further lines of <c>rabbitmq.conf</c>, the same for every node.</param>
    /// <param name="running">How many of them to start now, or 0 for all. Each of the others joins when it is started for the first time.</param>
    public static async Task<LocalCluster> StartAsync(int size = 3, string settings = "", int running = 0)
    {
        // A blank node joins the first one while it boots: the same as stop_app, join_cluster, start_app without the restarts.
        // All know the first one only; it would wait 5 s for any other that it knew.
        var cluster = Create(size, $"""
            cluster_formation.peer_discovery_backend = classic_config
            cluster_formation.classic_config.nodes.1 = {NameOf(1)}@localhost
            {settings}
            """);
        try
        {
            // The first alone, so that there is exactly one cluster to join.
            await cluster.StartAsync(0);
            await Task.WhenAll(Enumerable.Range(1, (running == 0 ? size : running) - 1).Select(cluster.StartAsync));
            if (running == 0)
                await cluster.AllRunAsync();
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Returns when each node serves clients alone; <see cref="JoinAsync"/> makes a cluster of them, as an administrator does.</summary>
    /// <param name="size">How many nodes.</param>
    /// <param name="settings">Further lines of <c>rabbitmq.conf</c>, the same for every node.</param>
    public static async Task<LocalCluster> StartApartAsync(int size = 3, string settings = "")
    {
        var cluster = Create(size, settings);
        try
        {
            await Task.WhenAll(Enumerable.Range(0, size).Select(cluster.StartAsync));
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Node <paramref name="index"/>, which is alone, joins the cluster of the first node and loses what it had.</summary>
    public async Task JoinAsync(int index)
    {
        await ControlAsync(index, "stop_app");
        await ControlAsync(index, "join_cluster", Nodes[0].Name);
        await ControlAsync(index, "start_app");
    }

    /// <summary>SIGKILL to node <paramref name="index"/>.</summary>
    public Task KillAsync(int index) => Nodes[index].KillAsync();

    /// <summary>Starts a killed node with the data it had. After a kill of all nodes start them at the same time: each waits for the others.</summary>
    public Task StartAsync(int index) => Nodes[index].StartAsync();

    /// <summary>Runs <c>rabbitmqctl</c> against node <paramref name="index"/>.</summary>
    public Task<string> ControlAsync(int index, params string[] arguments) => Nodes[index].ControlAsync(arguments);

    /// <summary>GET of the management API of node <paramref name="index"/>, for example <c>api/queues</c>.</summary>
    public Task<JsonElement> ManagementAsync(int index, string path) => management[index].GetAsync(path);

    /// <summary>Names of the nodes that node <paramref name="index"/> sees running, itself included.</summary>
    /// <exception cref="HttpRequestException">That node is down, or paused because it is in a minority.</exception>
    public async Task<string[]> RunningAsync(int index) =>
    [
        .. (await ManagementAsync(index, "api/nodes?columns=name,running")).EnumerateArray()
            .Where(node => node.GetProperty("running").GetBoolean())
            .Select(node => node.GetProperty("name").GetString()!)
            .Order(StringComparer.Ordinal),
    ];

    /// <summary>Returns when every node sees every node running.</summary>
    public async Task AllRunAsync()
    {
        for (var index = 0; index < Nodes.Count; index++)
        {
            var from = index;
            await Eventually.BecomesAsync(() => SeesAllAsync(from), JoinTimeout, $"node {Nodes[from].Name} to see {Nodes.Count} nodes");
        }

        async Task<bool> SeesAllAsync(int from)
        {
            try
            {
                return (await RunningAsync(from)).Length == Nodes.Count;
            }
            catch (HttpRequestException)
            {
                return false; // paused until it has found the others again
            }
        }
    }

    static LocalCluster Create(int size, string settings)
    {
        var home = LocalHome.Create();
        return new(home, [.. Enumerable.Range(1, size).Select(number => new LocalNode(home, NameOf(number), $"""
            cluster_name = jobs-tests
            cluster_partition_handling = pause_minority
            net_ticktime = 15
            {settings}
            """))]);
    }

    static string NameOf(int number) => $"jobs{number}";

    public async ValueTask DisposeAsync()
    {
        foreach (var api in management)
            api.Dispose();
        await Task.WhenAll(Nodes.Select(node => node.DisposeAsync().AsTask()));
        await home.DisposeAsync();
    }
}
