using Jobs.Brokers;

namespace Jobs.Faults.Sites;

/// <summary>The cluster under test with its load balancer, and everything about it that can be broken.</summary>
abstract class Site : IAsyncDisposable
{
    /// <summary>For the record, for example <c>RabbitMQ 3.10.8, three processes behind HAProxy 2.6.12</c>.</summary>
    public abstract string Description { get; }

    public abstract IReadOnlyList<SiteNode> Nodes { get; }

    /// <summary>The network between clients and the load balancer.</summary>
    public abstract TcpProxy Network { get; }

    /// <summary>What every client of the run connects to: through <see cref="Network"/> and the load balancer to the nodes.</summary>
    public abstract string ClientUri { get; }

    /// <summary>Asks about queues and connections; null when there is no management API to ask.</summary>
    public abstract SiteManagement? Management { get; }

    /// <summary>Whether jobs go over a broker, with nodes, a network and queues that can be broken.</summary>
    public virtual bool HasBroker => true;

    /// <summary>Whether nodes and the load balancer are ours to kill, pause, drain and restart.</summary>
    public virtual bool OwnsNodes => false;

    /// <param name="broker"><c>processes</c>, <c>docker</c>, <c>sqlite</c>, or the URIs of somebody's cluster with commas between: <c>amqp://</c> one or several, <c>http://</c> the management API.</param>
    public static async Task<Site> StartAsync(string broker) => broker switch
    {
        "processes" => await ProcessSite.StartAsync(),
        "docker" => await DockerSite.StartAsync(),
        "sqlite" => await SqliteSite.StartAsync(),
        _ => UriSite.Start(broker),
    };

    /// <summary>Whether this site can be cut in this way.</summary>
    public virtual bool CanCut(Cut cut) => false;

    /// <summary>Cuts one node off until <see cref="JoinAsync"/>.</summary>
    public virtual Task CutAsync(SiteNode node, Cut cut) => throw NotOurs("A partition");

    /// <summary>Undoes every <see cref="CutAsync"/> of this node; nothing happens when there is none.</summary>
    public virtual Task JoinAsync(SiteNode node) => throw NotOurs("A partition");

    /// <summary>New configuration without an interruption: a new process takes new connections, present ones stay with the old process for a while.</summary>
    public virtual Task ReloadLoadBalancerAsync() => throw NotOurs("A reload of the load balancer");

    /// <summary>SIGKILL: every connection ends, new ones are refused.</summary>
    public virtual Task KillLoadBalancerAsync() => throw NotOurs("A restart of the load balancer");

    /// <summary>Returns when it takes connections; nothing happens when it runs already.</summary>
    public virtual Task StartLoadBalancerAsync() => throw NotOurs("A restart of the load balancer");

    /// <summary>Undoes every fault, and returns when all nodes run, see each other and have no alarm, and every quorum queue has a leader and all its members online.</summary>
    /// <param name="say">Is told of what an operator would have had to do by hand.</param>
    /// <exception cref="TimeoutException">It did not come to that in a few minutes; the message says what is missing.</exception>
    public abstract Task HealAsync(Action<string> say);

    /// <summary>Gives these queues other leaders, or says why not; nothing happens where the nodes are not ours.</summary>
    /// <param name="say">Is told of what an operator would have had to do by hand.</param>
    public virtual Task MoveLeadersAsync(IReadOnlyList<HeldQueue> queues, Action<string> say) => Task.CompletedTask;

    public abstract ValueTask DisposeAsync();

    /// <summary>Undoes what faults did to <see cref="Network"/>.</summary>
    protected void HealNetwork()
    {
        Network.CancelCut();
        Network.AcceptAndStaySilent = false;
        Network.AcceptNew();
        Network.Resume();
    }

    static NotSupportedException NotOurs(string what) => new(
        $"{what} needs a cluster that the fault suite has started itself. Run with --broker processes or --broker docker.");
}

/// <summary>How a node is cut off.</summary>
enum Cut
{
    /// <summary>Nothing passes between it and the other nodes; clients reach all of them.</summary>
    FromNodes,

    /// <summary>The other nodes do not hear it, and it hears them.</summary>
    Mute,

    /// <summary>It does not hear the other nodes, and they hear it.</summary>
    Deaf,

    /// <summary>Nothing passes between it and the load balancer, so that no client reaches it; the nodes are one cluster as before.</summary>
    FromClients,
}
