using System.Globalization;
using Jobs.Brokers;

namespace Jobs.Faults.Sites;

/// <summary>Three containers of the image that <c>docker-compose.yml</c> uses behind a container of HAProxy, on a network of their own.</summary>
sealed class DockerSite : ClusterSite
{
    const string BalancerImage = "haproxy:3.0";
    const string ConfigurationFile = "/haproxy.cfg";
    const int Size = 3;

    readonly DockerSweeper sweeper;
    readonly string balancer;
    readonly string balancerAddress;
    readonly DockerNode[] nodes;
    readonly int[] balancerPorts = FreePorts.Take(2);
    string version = "";
    string balancerVersion = "";

    DockerSite(DockerSweeper sweeper, DockerNetwork network)
    {
        this.sweeper = sweeper;
        nodes = [.. Enumerable.Range(1, Size).Select(number => new DockerNode(network, number))];
        balancer = network.NameOf("lb");
        balancerAddress = network.AddressOf(Size + 1);
        var balanced = new UriBuilder(nodes[0].DirectUri) { Port = balancerPorts[0] }.Uri;
        Network = TcpProxy.Start(balanced);
        ClientUri = Network.Through(balanced).AbsoluteUri;
        Management = new SiteManagement(nodes.Select(node => node.ManagementUri));
    }

    public override string Description => $"RabbitMQ {version}, three containers behind HAProxy {balancerVersion}";

    public override TcpProxy Network { get; }

    public override string ClientUri { get; }

    public override SiteManagement Management { get; }

    protected override Uri BalancerStatus => new(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{balancerPorts[1]}/"));

    protected override IReadOnlyList<ClusterNode> ClusterNodes => nodes;

    public static async Task<DockerSite> StartAsync()
    {
        await DockerCli.RequireAsync(DockerNode.Image, BalancerImage);
        var sweeper = await DockerSweeper.StartAsync();
        DockerSite? site = null;
        try
        {
            var network = await DockerNetwork.CreateAsync(sweeper.Label);
            site = new DockerSite(sweeper, network);
            await site.StartAllAsync(network);
            return site;
        }
        catch
        {
            await (site?.DisposeAsync() ?? sweeper.DisposeAsync());
            throw;
        }
    }

    public override bool CanCut(Cut cut) => DockerNetwork.CanCut;

    public override async Task CutAsync(SiteNode node, Cut cut)
    {
        var own = Own(node);
        if (cut == Cut.FromClients)
        {
            await DockerNetwork.DropAsync(own.Container, balancerAddress);
            await DockerNetwork.DropAsync(balancer, own.Address);
            return;
        }

        foreach (var other in nodes.Where(other => other != own))
        {
            if (cut is Cut.FromNodes or Cut.Mute)
                await DockerNetwork.DropAsync(own.Container, other.Address);
            if (cut is Cut.FromNodes or Cut.Deaf)
                await DockerNetwork.DropAsync(other.Container, own.Address);
        }
    }

    public override async Task JoinAsync(SiteNode node)
    {
        if (!DockerNetwork.CanCut)
            return;
        var own = Own(node);
        foreach (var (container, address) in nodes.Where(other => other != own).Select(other => (other.Container, other.Address)).Append((balancer, balancerAddress)))
        {
            await DockerNetwork.PassAsync(own.Container, address);
            await DockerNetwork.PassAsync(container, own.Address);
        }
    }

    public override async Task ReloadLoadBalancerAsync()
    {
        if (await DockerCli.IsRunningAsync(balancer))
            await DockerCli.RunAsync("kill", "--signal", "USR2", balancer);
    }

    public override Task KillLoadBalancerAsync() => DockerCli.KillAsync(balancer);

    public override Task StartLoadBalancerAsync() => DockerCli.RunAsync("start", balancer);

    public override async ValueTask DisposeAsync()
    {
        Management.Dispose();
        await Network.DisposeAsync();
        await sweeper.DisposeAsync();
    }

    async Task StartAllAsync(DockerNetwork network)
    {
        foreach (var node in nodes)
            await node.CreateAsync(network, Size);
        await network.CreateContainerAsync(
            balancer,
            balancerAddress,
            BalancerImage,
            [
                "--publish", string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{balancerPorts[0]}:5672"),
                "--publish", string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{balancerPorts[1]}:8404"),
            ],
            "haproxy", "-W", "-db", "-f", ConfigurationFile);
        await DockerCli.WriteAsync(balancer, ConfigurationFile, Haproxy.Configuration(":5672", ":8404", nodes.Select(node => $"{node.Address}:5672")));

        await nodes[0].StartAsync();
        await Task.WhenAll(nodes.Skip(1).Select(node => node.StartAsync()));
        await StartLoadBalancerAsync();
        version = await Management.VersionAsync();
        balancerVersion = Haproxy.ReadVersion(await DockerCli.RunAsync("exec", balancer, "haproxy", "-v"));
        await HealAsync(_ => { });
    }

    DockerNode Own(SiteNode node) => nodes.Single(own => own == node);
}
