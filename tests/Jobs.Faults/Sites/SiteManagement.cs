using System.Net;
using System.Text.Json;
using Jobs.Brokers;

namespace Jobs.Faults.Sites;

/// <summary>The management API of a site, asked at whichever node answers: any may be dead, paused or without a majority.</summary>
sealed class SiteManagement : IDisposable
{
    // A paused node answers nothing; RabbitMQ 3.10.8 needs 30 to 40 s to list queues with a member down, which callers do not wait for.
    static readonly TimeSpan Timeout = TimeSpan.FromSeconds(8);

    readonly ManagementApi[] nodes;
    readonly string vhost;

    public SiteManagement(IEnumerable<Uri> roots, string vhost = "/")
    {
        this.vhost = Uri.EscapeDataString(vhost);
        nodes = [.. roots.Select(root => new ManagementApi(root))];
        foreach (var node in nodes)
            node.Client.Timeout = Timeout;
    }

    public async Task<string> VersionAsync() =>
        (await AskAsync(node => node.GetAsync("api/overview?columns=rabbitmq_version"))).GetProperty("rabbitmq_version").GetString()!;

    /// <summary>Name of the node that leads a quorum queue, or holds a classic one; null while nobody does or nobody says.</summary>
    public async Task<string?> LeaderOfAsync(string queue)
    {
        try
        {
            var answer = await AskAsync(node => node.GetAsync($"api/queues/{vhost}/{Uri.EscapeDataString(queue)}?columns=leader,node"));
            return (Text("leader") ?? Text("node")) is { Length: > 0 } name ? name : null;

            string? Text(string property) => answer.TryGetProperty(property, out var value) ? value.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>Present client connections, in order of their names.</summary>
    public async Task<IReadOnlyList<ClientConnection>> ConnectionsAsync()
    {
        var answer = await AskAsync(node => node.GetAsync("api/connections?columns=name,node"));
        return [.. answer.EnumerateArray()
            .Where(connection => connection.TryGetProperty("node", out _))
            .Select(connection => new ClientConnection(connection.GetProperty("name").GetString()!, connection.GetProperty("node").GetString()!))
            .OrderBy(connection => connection.Name, StringComparer.Ordinal)];
    }

    /// <summary>Ends one connection as an operator does; nothing happens when it is gone.</summary>
    public Task DeleteConnectionAsync(string name) => DeleteAsync($"api/connections/{Uri.EscapeDataString(name)}");

    public Task PurgeQueueAsync(string queue) => DeleteAsync($"api/queues/{vhost}/{Uri.EscapeDataString(queue)}/contents");

    public Task DeleteQueueAsync(string queue) => DeleteAsync($"api/queues/{vhost}/{Uri.EscapeDataString(queue)}");

    /// <summary>What node number <paramref name="index"/> finds wrong with the cluster; null when it does not answer.</summary>
    public async Task<NodeView?> ViewOfAsync(int index)
    {
        try
        {
            var answer = await nodes[index].GetAsync("api/nodes?columns=name,running,partitions,mem_alarm,disk_free_alarm");
            var running = answer.EnumerateArray().Where(node => node.GetProperty("running").GetBoolean()).ToArray();
            return new NodeView(
                [.. running.Select(node => node.GetProperty("name").GetString()!)],
                [.. running.SelectMany(Partitions).Distinct()],
                running.Any(node => IsTrue(node, "mem_alarm") || IsTrue(node, "disk_free_alarm")));
        }
        catch (Exception exception) when (IsSilence(exception))
        {
            return null;
        }

        static IEnumerable<string> Partitions(JsonElement node) => node.TryGetProperty("partitions", out var names)
            ? names.EnumerateArray().Select(name => name.GetString()!)
            : [];

        static bool IsTrue(JsonElement node, string property) => node.TryGetProperty(property, out var value) && value.ValueKind == JsonValueKind.True;
    }

    /// <summary>Quorum queues without a leader or with a member offline; null when nobody answers.</summary>
    public async Task<IReadOnlyList<IllQueue>?> IllQueuesAsync()
    {
        try
        {
            var answer = await AskAsync(node => node.GetAsync("api/queues?disable_stats=true&enable_queue_totals=true"));
            return [.. answer.EnumerateArray().Where(queue => Texts(queue, "type") is ["quorum"]).Select(Illness).OfType<IllQueue>()];
        }
        catch (InvalidOperationException)
        {
            return null;
        }

        static IllQueue? Illness(JsonElement queue)
        {
            var leads = Texts(queue, "leader") is [{ Length: > 0 }];
            var away = Texts(queue, "members").Except(Texts(queue, "online")).ToArray();
            return leads && away.Length == 0 ? null : new(queue.GetProperty("name").GetString()!, queue.GetProperty("vhost").GetString()!, leads, away);
        }

        static string[] Texts(JsonElement queue, string property) => !queue.TryGetProperty(property, out var value) ? []
            : value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray().Select(item => item.GetString()!)]
            : [value.GetString() ?? ""];
    }

    /// <summary>
    /// Those of these queues that are not empty; null when nobody answers. Counts also what is dead-lettered and not confirmed by its target, which clients cannot see: a delay level whose leader died may hold it
    /// for a while.
    /// </summary>
    public async Task<IReadOnlyList<HeldQueue>?> HeldAsync(IReadOnlyCollection<string> queues)
    {
        try
        {
            var answer = await AskAsync(node => node.GetAsync($"api/queues/{vhost}?disable_stats=true&enable_queue_totals=true"));
            return [.. answer.EnumerateArray()
                .Where(queue => queues.Contains(queue.GetProperty("name").GetString()!))
                .Select(queue => new HeldQueue(queue.GetProperty("name").GetString()!, queue.TryGetProperty("messages", out var messages) ? messages.GetInt64() : 0))
                .Where(queue => queue.Messages > 0)];
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    public void Dispose()
    {
        foreach (var node in nodes)
            node.Dispose();
    }

    Task DeleteAsync(string path) => AskAsync(async node =>
    {
        using var answer = await node.Client.DeleteAsync(path);
        return answer.StatusCode == HttpStatusCode.NotFound || answer.EnsureSuccessStatusCode().IsSuccessStatusCode;
    });

    async Task<T> AskAsync<T>(Func<ManagementApi, Task<T>> question)
    {
        Exception? last = null;
        foreach (var node in nodes)
        {
            try
            {
                return await question(node);
            }
            catch (Exception exception) when (IsSilence(exception))
            {
                last = exception;
            }
        }

        throw new InvalidOperationException($"No node answers at its management API; the last one: {last!.Message}", last);
    }

    // What a dead, a paused and a booting node say, in this order.
    static bool IsSilence(Exception exception) =>
        exception is HttpRequestException or TaskCanceledException or IOException or JsonException or KeyNotFoundException;
}

/// <param name="Name">As the broker names it, with both addresses.</param>
/// <param name="Node">The node it is at.</param>
sealed record ClientConnection(string Name, string Node);

/// <param name="Name">Of the queue.</param>
/// <param name="Messages">All that it has, be they ready, delivered or on their way to another queue.</param>
sealed record HeldQueue(string Name, long Messages)
{
    public override string ToString() => $"{Messages} messages in {Name}";
}

/// <param name="Name">Of the queue.</param>
/// <param name="Vhost">Where it is.</param>
/// <param name="HasLeader">Whether a node leads it.</param>
/// <param name="Missing">Members that are not online.</param>
sealed record IllQueue(string Name, string Vhost, bool HasLeader, string[] Missing)
{
    public override string ToString() => HasLeader ? $"{Name} misses {string.Join(", ", Missing)}" : $"{Name} has no leader";
}

/// <param name="Running">Names of the nodes that run.</param>
/// <param name="Partitioned">Names of the nodes that some node was separated from and has not forgiven (Mnesia).</param>
/// <param name="HasAlarm">Whether any node has an alarm.</param>
sealed record NodeView(IReadOnlyList<string> Running, IReadOnlyList<string> Partitioned, bool HasAlarm);
