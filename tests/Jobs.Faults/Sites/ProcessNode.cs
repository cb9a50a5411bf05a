using Jobs.Brokers;

namespace Jobs.Faults.Sites;

/// <summary>A node as a process of this machine.</summary>
sealed class ProcessNode(LocalNode node) : ClusterNode
{
    public override string Name => node.Name;

    public override string DirectUri => node.AmqpUri.AbsoluteUri;

    /// <summary>The network between the load balancer and this node, which has no namespace of its own to cut.</summary>
    public TcpProxy Link { get; } = TcpProxy.Start(node.AmqpUri);

    public bool IsCutFromNodes { get; set; }

    public override Task<bool> IsRunningAsync() => Task.FromResult(node.IsRunning);

    public override Task<string> ControlAsync(string tool, params string[] arguments) => node.RunAsync(tool, arguments);

    /// <summary>
    /// Erlang machines that do not agree on a cookie cannot connect, and one side is enough. Unlike a pulled cable this closes the present connection,
    /// so that both sides know at once. Lasts until the node's end at most.
    /// </summary>
    public Task CutFromAsync(IEnumerable<ProcessNode> others) => EvaluateAsync(string.Join(", ", others.Select(other =>
        $"erlang:set_cookie('{other.Name}', cut), erlang:disconnect_node('{other.Name}')")));

    public Task JoinAsync(IEnumerable<ProcessNode> others) => EvaluateAsync(string.Join(", ", others.Select(other =>
        $"erlang:set_cookie('{other.Name}', erlang:get_cookie())")));

    protected override async Task KillProcessAsync()
    {
        // The load balancer must see what it would see without a proxy: refused, not accepted and reset.
        Link.RefuseNew();
        await node.KillAsync();
    }

    protected override async Task StartProcessAsync()
    {
        try
        {
            await node.StartAsync();
        }
        finally
        {
            // Also when the node takes longer than we wait for it: nobody starts it a second time. Until it serves clients, the load balancer gets no greeting through the link.
            Link.AcceptNew();
        }
    }

    protected override Task FreezeAsync() => node.PauseAsync();

    protected override Task ThawAsync() => node.ResumeAsync();

    Task EvaluateAsync(string erlang) => ControlAsync("rabbitmqctl", "eval", $"{erlang}.");
}
