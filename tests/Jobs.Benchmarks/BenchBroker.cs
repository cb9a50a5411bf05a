using System.Text;
using Jobs.Brokers;

namespace Jobs.Benchmarks;

/// <summary>The broker that a benchmark runs against: one that exists, or local processes for as long as the benchmark runs.</summary>
sealed class BenchBroker : IAsyncDisposable
{
    readonly LocalCluster? cluster;
    readonly List<string> virtualHosts = [];

    BenchBroker(string uri, LocalCluster? cluster) => (Uri, this.cluster) = (uri, cluster);

    /// <summary>
    /// Of one host. Every side connects to the same node, where its queue then has its leader: else chance, not code, would decide who has the shorter way.
    /// </summary>
    public string Uri { get; }

    /// <summary>The management API of that host.</summary>
    public Uri ManagementUri => cluster?.Nodes[0].ManagementUri ?? new UriBuilder(Uri) { Scheme = "http", Port = 15672, Path = "" }.Uri;

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

    /// <summary>Makes a virtual host, which lives as long as this object.</summary>
    /// <returns>Its address.</returns>
    public async Task<string> AddVirtualHostAsync(string name)
    {
        using var management = Management();
        await PutAsync($"api/vhosts/{name}", "{}");
        await PutAsync($"api/permissions/{name}/{ManagementUri.UserInfo.Split(':')[0]}", """{"configure":".*","write":".*","read":".*"}""");
        virtualHosts.Add(name);
        return new UriBuilder(Uri) { Path = name }.Uri.ToString();

        async Task PutAsync(string path, string json)
        {
            using var content = new StringContent(json, Encoding.UTF8, "application/json");
            using var answer = await management.PutAsync(path, content);
            answer.EnsureSuccessStatusCode();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (cluster is null)
        {
            using var management = Management();
            foreach (var name in virtualHosts)
            {
                using var answer = await management.DeleteAsync($"api/vhosts/{name}");
            }

            await CleanAsync();
        }
        else
        {
            await cluster.DisposeAsync();
        }
    }

    HttpClient Management()
    {
        var credentials = Convert.ToBase64String(Encoding.UTF8.GetBytes(System.Uri.UnescapeDataString(ManagementUri.UserInfo)));
        return new()
        {
            BaseAddress = new(ManagementUri.GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped)),
            DefaultRequestHeaders = { Authorization = new("Basic", credentials) },
        };
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
