namespace Jobs.BrokerTests.Brokers;

/// <summary>Tests that start a cluster of their own; they run alone.</summary>
[CollectionDefinition(nameof(ClusterCollection), DisableParallelization = true)]
public sealed class ClusterCollection;
