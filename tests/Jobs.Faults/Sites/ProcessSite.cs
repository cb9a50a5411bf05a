using Jobs.Brokers;

namespace Jobs.Faults.Sites;

/// <summary>Three nodes of the rabbitmq-server and the HAProxy of this machine, all on loopback.</summary>
sealed class ProcessSite : ClusterSite
{
    readonly LocalCluster cluster;
    readonly ProcessLoadBalancer balancer;
    readonly ProcessNode[] nodes;
    string version = "";
    string balancerVersion = "";

    ProcessSite(LocalCluster cluster)
    {
        this.cluster = cluster;
        nodes = [.. cluster.Nodes.Select(node => new ProcessNode(node))];
        balancer = new ProcessLoadBalancer(nodes.Select(node => node.Link.Through(new Uri(node.DirectUri))));
        var balanced = new UriBuilder(cluster.Nodes[0].AmqpUri) { Host = "127.0.0.1", Port = balancer.Port }.Uri;
        Network = TcpProxy.Start(balanced);
        ClientUri = Network.Through(balanced).AbsoluteUri;
        Management = new SiteManagement(cluster.Nodes.Select(node => node.ManagementUri));
    }

    public override string Description => $"RabbitMQ {version}, three processes behind HAProxy {balancerVersion}";

    public override TcpProxy Network { get; }

    public override string ClientUri { get; }

    public override SiteManagement Management { get; }

    protected override Uri BalancerStatus => balancer.StatusUri;

    protected override IReadOnlyList<ClusterNode> ClusterNodes => nodes;

    public static async Task<ProcessSite> StartAsync()
    {
        var cluster = await LocalCluster.StartAsync(settings: "queue_leader_locator = balanced");
        ProcessSite site;
        try
        {
            site = new ProcessSite(cluster);
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }

        try
        {
            site.version = await site.Management.VersionAsync();
            site.balancerVersion = await site.balancer.VersionAsync();
            await site.balancer.StartAsync();
            await AmqpGreeting.WaitAsync(new Uri(site.ClientUri), TimeSpan.FromSeconds(30), "a node to answer through HAProxy");
            return site;
        }
        catch
        {
            await site.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    /// <remarks>Packets on loopback cannot be dropped in one direction without rules that would hold for the whole machine.</remarks>
    public override bool CanCut(Cut cut) => cut is Cut.FromNodes or Cut.FromClients;

    public override async Task CutAsync(SiteNode node, Cut cut)
    {
        var own = Own(node);
        own.IsCutFromNodes |= cut == Cut.FromNodes;
        if (cut == Cut.FromNodes)
            await own.CutFromAsync(nodes.Where(other => other != own));
        else if (cut == Cut.FromClients)
            own.Link.StallBoth();
        else
            throw new NotSupportedException($"{cut} needs containers: --broker docker.");
    }

    public override async Task JoinAsync(SiteNode node)
    {
        var own = Own(node);
        own.Link.Resume();
        if (own.IsCutFromNodes && await own.IsRunningAsync())
            await own.JoinAsync(nodes.Where(other => other != own));
        own.IsCutFromNodes = false;
    }

    public override Task ReloadLoadBalancerAsync() => balancer.ReloadAsync();

    public override Task KillLoadBalancerAsync() => balancer.KillAsync();

    public override Task StartLoadBalancerAsync() => balancer.StartAsync();

    public override async ValueTask DisposeAsync()
    {
        Management.Dispose();
        await Network.DisposeAsync();
        await balancer.DisposeAsync();
        foreach (var node in nodes)
            await node.Link.DisposeAsync();
        await cluster.DisposeAsync();
    }

    ProcessNode Own(SiteNode node) => nodes.Single(own => own == node);
}
