using System.Collections.Concurrent;
using Jobs;

namespace News;

/// <summary>The refreshes that this process has asked for, so that the page can show how far they are.</summary>
sealed class Refreshes(IJobDispatcher dispatcher, CommandLine options)
{
    readonly ConcurrentDictionary<string, (JobHandle Fetch, JobHandle<int> Store)> running = new();

    /// <summary>Enqueues a refresh of each source.</summary>
    /// <exception cref="JobPublishException">At least one refresh was not enqueued.</exception>
    public Task StartAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(options.Feeds.Keys.Select(source => StartAsync(source, cancellationToken)));

    /// <summary>How far the last refresh of a source is, for people; empty when there is nothing to say.</summary>
    public async Task<string> DescribeAsync(string source, CancellationToken cancellationToken)
    {
        if (!running.TryGetValue(source, out var refresh))
        {
            return "";
        }

        var (fetch, store) = (await refresh.Fetch.GetStatusAsync(cancellationToken), await refresh.Store.GetStatusAsync(cancellationToken));
        return (store.State, fetch.State) switch
        {
            (JobState.Succeeded, _) => $"{await refresh.Store.GetResultAsync(TimeSpan.FromSeconds(1), cancellationToken)} new at {Pages.Clock(store.EndedAt)}",
            (JobState.Unknown, _) => "", // the result has expired
            (JobState.Dead or JobState.Expired, _) => $"failed: {store.Error?.Message}",
            (_, JobState.Retrying) => $"attempt {fetch.Attempts} failed, it is tried again: {fetch.Error?.Message}",
            (_, JobState.Running) => $"{fetch.ProgressText ?? "running"}, {fetch.Progress ?? 0:0 %}",
            (_, JobState.Succeeded) => "storing",
            _ => "waiting for a worker",
        };
    }

    // A chain: fetch the source, and then store what was fetched. The handle of a chain is that of its last job; the id
    // gives us a handle of the first job too.
    async Task StartAsync(string source, CancellationToken cancellationToken)
    {
        var fetch = NewsJobs.Fetch(source) with { Id = Guid.CreateVersion7().ToString(), Result = true };
        var store = await dispatcher.EnqueueAsync(fetch.Then(NewsSteps.Store(source)) with { Result = true }, cancellationToken);
        running[source] = (dispatcher.GetHandle<IReadOnlyList<Headline>>(fetch.Id), store);
    }
}
