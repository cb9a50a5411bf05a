namespace Jobs;

/// <summary>How the transport is: the broker and its nodes, or the file.</summary>
public sealed record TransportInfo
{
    /// <summary>The transport: <c>in_memory</c>, <c>sqlite</c> or <c>rabbitmq</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>Whether jobs can be enqueued now.</summary>
    public bool IsUp { get; init; }

    /// <summary>
    /// Why jobs cannot be enqueued, or what will soon prevent it, or which figures are missing;
    /// <see langword="null"/> when nothing is wrong.
    /// </summary>
    public string? Problem { get; init; }

    /// <summary>The version of the broker, or of SQLite.</summary>
    public string? Version { get; init; }

    /// <summary>The nodes of the cluster. Needs <see cref="InspectionCapabilities.Nodes"/>.</summary>
    public IReadOnlyList<BrokerNodeInfo> Nodes { get; init; } = [];

    /// <summary>The size of the file in bytes, without its log. Only over SQLite.</summary>
    public long? FileBytes { get; init; }

    /// <summary>The size of the file's write-ahead log in bytes. Only over SQLite.</summary>
    public long? LogBytes { get; init; }

    /// <summary>The free space of the file's disk in bytes. Only over SQLite.</summary>
    public long? DiskFree { get; init; }
}

/// <summary>One node of a RabbitMQ cluster.</summary>
public sealed record BrokerNodeInfo
{
    /// <summary>The name of the node.</summary>
    public required string Name { get; init; }

    /// <summary>Whether the node runs.</summary>
    public bool IsRunning { get; init; }

    /// <summary>Whether the node has too little memory left: then it takes no jobs.</summary>
    public bool HasMemoryAlarm { get; init; }

    /// <summary>Whether the node has too little disk left: then it takes no jobs.</summary>
    public bool HasDiskAlarm { get; init; }

    /// <summary>The memory that the node uses, in bytes.</summary>
    public long? MemoryUsed { get; init; }

    /// <summary>The memory at which the node raises its alarm, in bytes.</summary>
    public long? MemoryLimit { get; init; }

    /// <summary>The free disk space, in bytes.</summary>
    public long? DiskFree { get; init; }

    /// <summary>The nodes that this node has lost sight of: a partition of the cluster.</summary>
    public IReadOnlyList<string> Partitions { get; init; } = [];
}
