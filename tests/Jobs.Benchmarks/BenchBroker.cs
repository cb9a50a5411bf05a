using Jobs.Brokers;

namespace Jobs.Benchmarks;

/// <summary>The broker that a benchmark runs against: one that exists, or local processes for as long as the benchmark runs.</summary>
sealed class BenchBroker : IAsyncDisposable
{
    readonly LocalCluster? cluster;

    BenchBroker(string uri, LocalCluster? cluster) => (Uri, this.cluster) = (uri, cluster);

    /// <summary>
    /// Of one host. Every side connects to the same node, where its queue then has its leader: else chance, not code, would decide who has the shorter way.
    /// </summary>
    public string Uri { get; }

    /// <param name="broker"><c>processes</c>, <c>processes3</c>, or a URI; of several hosts in it the first one is taken.</param>
    public static async Task<BenchBroker> StartAsync(string broker)
    {
        var nodes = broker switch { "processes" => 1, "processes3" => 3, _ => 0 };
        if (nodes > 0)
        {
            var cluster = await LocalCluster.StartAsync(nodes);
            return new(cluster.AmqpUris[0].ToString(), cluster);
        }

        var existing = new BenchBroker(OfFirstHost(broker), cluster: null);
        await existing.CleanAsync(); // what an aborted run left behind
        return existing;
    }

    public async ValueTask DisposeAsync()
    {
        if (cluster is null)
        {
            await CleanAsync();
        }
        else
        {
            await cluster.DisposeAsync();
        }
    }

    Task CleanAsync() => BrokerResources.DeleteAllAsync(Uri, JobsUnderTest.Prefix, BenchTasks.Queue);

    // amqp://user:password@host1,host2/vhost: System.Uri knows one host only.
    static string OfFirstHost(string uri)
    {
        var hosts = uri.LastIndexOf('@') + 1;
        var comma = uri.IndexOf(',', hosts);
        var path = comma < 0 ? -1 : uri.IndexOf('/', comma);
        return comma < 0 ? uri : uri[..comma] + (path < 0 ? "" : uri[path..]);
    }
}
