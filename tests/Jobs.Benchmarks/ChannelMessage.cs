namespace Jobs.Benchmarks;

/// <summary>What <see cref="ChannelLoop"/> sends.</summary>
sealed record ChannelMessage<T>(string Id, string Task, T[] Arguments);
