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

    /// <summary>Undoes every fault, and returns when all nodes run, see each other and have no alarm, and every quorum queue has a leader and all its members online.</summary>
    public abstract Task HealAsync();

    public abstract ValueTask DisposeAsync();
}

/// <summary>One RabbitMQ node of the site.</summary>
abstract class SiteNode
{
    /// <summary>For example <c>jobs1@localhost</c>.</summary>
    public abstract string Name { get; }

    /// <summary>To this node and no other, for draining.</summary>
    public abstract string DirectUri { get; }
}
