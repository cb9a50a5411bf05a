namespace Jobs.DashboardTests;

/// <summary>What the tasks of these tests do.</summary>
public sealed class Feeds
{
    /// <summary>Whether feeds can be read.</summary>
    public volatile bool Work;

    /// <summary>The message of a feed that cannot be read.</summary>
    public string Says { get; set; } = "the feed is away";

    /// <summary>Long jobs end when this completes.</summary>
    public TaskCompletionSource Release { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>The tasks of these tests.</summary>
public sealed class FeedTasks(Feeds feeds)
{
    /// <summary>Reads a feed, if feeds work.</summary>
    [Task("feeds.fetch", MaxRetries = 0, TrackResult = true)]
    public string Fetch(string source, IReadOnlyDictionary<string, string>? options = null) =>
        feeds.Work ? $"read {source} {options?.Count}" : throw new InvalidOperationException(feeds.Says);

    /// <summary>Stores what was read.</summary>
    [Task("feeds.store", MaxRetries = 0, TrackResult = true)]
    public int Store(string text) => text.Length;

    /// <summary>Knows a secret.</summary>
    [Task("feeds.login", MaxRetries = 0)]
    public int Login(string user, [Sensitive] string pin) => user.Length + pin.Length;

    /// <summary>Fails at its first attempt.</summary>
    [Task("feeds.stumble", MaxRetries = 1, RetryDelaySeconds = 0.01, TrackResult = true)]
    public string Stumble(string source, JobContext context) =>
        context.Attempt > 1 ? $"read {source}" : throw new InvalidOperationException(feeds.Says);

    /// <summary>Says how far it is, and runs until the test lets it go.</summary>
    [Task("feeds.copy", MaxRetries = 0, TrackResult = true)]
    public async Task CopyAsync(string source, JobContext context, CancellationToken cancellationToken)
    {
        await context.ReportProgressAsync(0.4, $"page 2 of {source}", cancellationToken);
        await feeds.Release.Task.WaitAsync(cancellationToken);
    }

    /// <summary>Runs until the test lets it go.</summary>
    [Task("feeds.watch", MaxRetries = 0)]
    public Task WatchAsync(string source, CancellationToken cancellationToken) => feeds.Release.Task.WaitAsync(cancellationToken);

    /// <summary>Runs by a schedule.</summary>
    [Task("feeds.prune", MaxRetries = 0, TrackResult = true)]
    [Cron("30 4 1 1 *", Name = "prune")]
    public int Prune() => 0;
}
