using Jobs.Brokers;

namespace Jobs.Faults.Sites;

/// <summary>Somebody's cluster, known by its addresses: only the way to it is broken, and, through its management API, connections and the victim queue.</summary>
sealed class UriSite : Site
{
    static readonly TimeSpan HealTimeout = TimeSpan.FromSeconds(90);

    UriSite(Uri[] brokers, Uri[] managements)
    {
        Nodes = [.. brokers.Select(broker => new UriNode(broker))];
        Network = TcpProxy.Start(brokers[0]);
        ClientUri = Network.Through(brokers[0]).AbsoluteUri;
        var vhost = Uri.UnescapeDataString(brokers[0].AbsolutePath.TrimStart('/'));
        Management = managements.Length == 0 ? null : new SiteManagement(managements, vhost.Length == 0 ? "/" : vhost);
        Description = $"RabbitMQ at {string.Join(", ", Nodes)}, {(Management is null ? "without" : "with")} management API";
    }

    public override string Description { get; }

    public override IReadOnlyList<SiteNode> Nodes { get; }

    public override TcpProxy Network { get; }

    public override string ClientUri { get; }

    public override SiteManagement? Management { get; }

    public static UriSite Start(string addresses)
    {
        var uris = addresses.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(Parse).ToArray();
        Uri[] brokers = [.. uris.Where(uri => uri.Scheme == "amqp")];
        if (brokers.Length == 0)
            throw new ArgumentException($"'{addresses}' names no broker: give at least one amqp:// address, or processes, or docker.", nameof(addresses));
        return new UriSite(brokers, [.. uris.Where(uri => uri.Scheme is "http" or "https")]);

        static Uri Parse(string address)
        {
            if (!Uri.TryCreate(address, UriKind.Absolute, out var uri) || uri.Scheme is not ("amqp" or "http" or "https"))
                throw new ArgumentException($"'{address}' is not the address of a broker: --broker takes processes, docker, or amqp:// and http:// addresses with commas between. TLS (amqps) does not pass the broken network of the suite.");
            // Without a port a URI says -1 for a scheme that .NET does not know.
            return uri.Port == -1 ? new UriBuilder(uri) { Port = 5672 }.Uri : uri;
        }
    }

    public override async Task HealAsync(Action<string> say)
    {
        HealNetwork();
        await AmqpGreeting.WaitAsync(new Uri(ClientUri), HealTimeout, $"{Nodes[0]} to answer");
        if (Management is { } management)
            await Eventually.BecomesAsync(async () => await management.IllQueuesAsync() is { Count: 0 }, HealTimeout, "all quorum queues to have a leader and all members");
    }

    public override ValueTask DisposeAsync()
    {
        Management?.Dispose();
        return Network.DisposeAsync();
    }

    sealed class UriNode(Uri broker) : SiteNode
    {
        public override string Name { get; } = $"{broker.Host}:{broker.Port}";

        public override string DirectUri => broker.AbsoluteUri;
    }
}
