using System.Text.Json;
using Jobs.Transport;
using RabbitMQ.Client.Exceptions;

namespace Jobs.RabbitMQ;

/// <summary>
/// Looks at the broker: by passive declares, which every user may do, and over the management API where its address is
/// given (<see cref="RabbitMqOptions.ManagementUri"/>).
/// </summary>
/// <param name="transport">Declares passively.</param>
/// <param name="layout">The names at the broker.</param>
/// <param name="management">The management API of the broker; <see langword="null"/> when its address is not known.</param>
/// <param name="virtualHost">The virtual host.</param>
sealed class RabbitMqInspection(RabbitMqTransport transport, QueueLayout layout, ManagementApi? management, string virtualHost) : TransportInspection
{
    const int PageSize = 500;
    const int MostPages = 10;

    const string Columns = "name,durable,exclusive,type,messages_ready,messages_unacknowledged,consumers,"
        + "message_stats.publish_details.rate,message_stats.ack_details.rate";

    public override InspectionCapabilities Capabilities => management is null
        ? InspectionCapabilities.None
        : InspectionCapabilities.Held | InspectionCapabilities.BrokerRates | InspectionCapabilities.AllQueues | InspectionCapabilities.Nodes;

    public override async Task<QueuePage> QueuesAsync(IReadOnlyCollection<string> known, CancellationToken cancellationToken)
    {
        var (managed, problem) = await ManagedAsync(cancellationToken).ConfigureAwait(false);
        var queues = new List<QueueInfo>();
        foreach (var name in known)
        {
            var looked = await LookAsync(name, cancellationToken).ConfigureAwait(false);
            queues.Add((managed.GetValueOrDefault(name) ?? new() { Name = name }) with
            {
                Waiting = looked is { } there ? there.Messages : 0,
                Consumers = looked is { } here ? here.Consumers : 0,
            });
        }

        return new() { Queues = [.. queues, .. managed.Values.ExceptBy(known, queue => queue.Name, StringComparer.Ordinal)], Problem = problem };
    }

    /// <inheritdoc/>
    /// <remarks>Only how many: a look into the levels of delay would hold up the messages there.</remarks>
    public override async Task<DelayedPage> DelayedAsync(int limit, string? after, CancellationToken cancellationToken)
    {
        var total = 0L;
        for (var level = 0; level < Delays.Levels; level++)
        {
            total += (await LookAsync(layout.DelayLevel(level).Name, cancellationToken).ConfigureAwait(false))?.Messages ?? 0;
        }

        return new() { Total = total };
    }

    public override async Task<TransportInfo> LookAsync(CancellationToken cancellationToken)
    {
        var asking = NodesAsync(cancellationToken); // at once: a broker that is silent takes all the time there is
        var health = await transport.CheckHealthAsync(cancellationToken).ConfigureAwait(false);
        var (nodes, problem) = await asking.ConfigureAwait(false);
        return new()
        {
            Kind = transport.MessagingSystem,
            IsUp = health.Connection.IsUp && health.Blocked is null,
            Problem = health.Connection.IsUp
                ? (health.Blocked is { } blocked ? $"the broker blocks publishing: {blocked}" : problem)
                : health.Connection.Problem ?? "there is no connection yet",
            Version = health.Connection.IsUp ? await transport.VersionAsync(cancellationToken).ConfigureAwait(false) : null,
            Nodes = nodes,
        };
    }

    // The connection may end in the middle of a question.
    async Task<(long Messages, int Consumers)?> LookAsync(string queue, CancellationToken cancellationToken)
    {
        try
        {
            return await transport.LookAsync(queue, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested && e is OperationCanceledException or RabbitMQClientException)
        {
            throw new JobTransportException($"The broker could not be asked about queue {queue}: the connection was lost.", isTransient: true, e);
        }
    }

    async Task<(Dictionary<string, QueueInfo> Queues, string? Problem)> ManagedAsync(CancellationToken cancellationToken)
    {
        var found = new Dictionary<string, QueueInfo>(StringComparer.Ordinal);
        for (var page = 1; page <= MostPages && management is not null; page++)
        {
            var path = $"{ManagementApi.Path("queues", virtualHost)}?page={page}&page_size={PageSize}&sort=name&columns={Columns}";
            var (body, problem) = await AskAsync(path, cancellationToken).ConfigureAwait(false);
            if (body is not { } answer || !answer.TryGetProperty("items", out var items) || items.ValueKind != JsonValueKind.Array)
            {
                return (found, problem ?? "the management API answers with something else than queues");
            }

            foreach (var queue in items.EnumerateArray().Where(IsOfJobs).Select(Read))
            {
                found[queue.Name] = queue;
            }

            if (!answer.TryGetProperty("page_count", out var pages) || pages.ValueKind != JsonValueKind.Number || page >= pages.GetInt32())
            {
                return (found, null);
            }
        }

        return (found, management is null ? null : $"there are more than {MostPages * PageSize:N0} queues, and only the first are listed");
    }

    async Task<(IReadOnlyList<BrokerNodeInfo> Nodes, string? Problem)> NodesAsync(CancellationToken cancellationToken)
    {
        const string columns = "name,running,mem_used,mem_limit,mem_alarm,disk_free,disk_free_alarm,partitions";
        if (management is null)
        {
            return ([], null);
        }

        var (body, problem) = await AskAsync($"{ManagementApi.Path("nodes")}?columns={columns}", cancellationToken).ConfigureAwait(false);
        return (body is { ValueKind: JsonValueKind.Array } nodes ? [.. nodes.EnumerateArray().Select(ReadNode)] : [], problem);
    }

    async Task<(JsonElement? Body, string? Problem)> AskAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            var answer = await management!.GetAsync(path, cancellationToken).ConfigureAwait(false);
            return answer.IsSuccess ? (answer.Body, null)
                : answer.IsRefused ? (null, $"user '{management.UserName}' may not read the management API; the tag 'monitoring' lets a user read it")
                : (null, $"the management API answers {(int)answer.Status} {answer.Reason}");
        }
        catch (JobTransportException e)
        {
            return (null, e.Message.TrimEnd('.'));
        }
    }

    // Other queues are Jobs' own, streams, or the private queues of programs that listen to something.
    bool IsOfJobs(JsonElement queue) =>
        Text(queue, "name") is { } name && layout.Problem(name) is null
        && Text(queue, "type") is "quorum" or "classic" && Is(queue, "durable") && !Is(queue, "exclusive");

    static QueueInfo Read(JsonElement queue) => new()
    {
        Name = Text(queue, "name")!,
        Waiting = Number(queue, "messages_ready"),
        Held = Number(queue, "messages_unacknowledged") ?? 0,
        Consumers = (int?)Number(queue, "consumers"),
        InRate = Rate(queue, "publish_details"),
        OutRate = Rate(queue, "ack_details"),
    };

    static BrokerNodeInfo ReadNode(JsonElement node) => new()
    {
        Name = Text(node, "name") ?? "?",
        IsRunning = Is(node, "running"),
        HasMemoryAlarm = Is(node, "mem_alarm"),
        HasDiskAlarm = Is(node, "disk_free_alarm"),
        MemoryUsed = Number(node, "mem_used"),
        MemoryLimit = Number(node, "mem_limit"),
        DiskFree = Number(node, "disk_free"),
        Partitions = node.TryGetProperty("partitions", out var partitions) && partitions.ValueKind == JsonValueKind.Array
            ? [.. partitions.EnumerateArray().Where(one => one.ValueKind == JsonValueKind.String).Select(one => one.GetString()!)]
            : [],
    };

    // A queue to which nothing happened has no such figures.
    static double Rate(JsonElement queue, string details) =>
        queue.TryGetProperty("message_stats", out var stats) && stats.ValueKind == JsonValueKind.Object
        && stats.TryGetProperty(details, out var detail) && detail.ValueKind == JsonValueKind.Object
        && detail.TryGetProperty("rate", out var rate) && rate.ValueKind == JsonValueKind.Number ? rate.GetDouble() : 0;

    static string? Text(JsonElement of, string name) =>
        of.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    static long? Number(JsonElement of, string name) =>
        of.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) ? number : null;

    static bool Is(JsonElement of, string name) => of.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True;
}
