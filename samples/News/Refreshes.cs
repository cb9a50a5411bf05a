using System.Collections.Concurrent;
using Jobs;

namespace News;

/// <summary>The refreshes that this process has asked for, so that the page can show how far they are.</summary>
sealed class Refreshes(IJobDispatcher dispatcher)
{
    readonly ConcurrentDictionary<string, (JobHandle Fetch, JobHandle<int> Store)> running = new();

    /// <summary>Enqueues a chain: fetch the source, and then store what was fetched.</summary>
    public async Task StartAsync(string source, CancellationToken cancellationToken)
    {
        var fetch = NewsJobs.Fetch(source) with { Id = Guid.CreateVersion7().ToString(), Result = true };
        var store = await dispatcher.EnqueueAsync(fetch.Then(NewsSteps.Store(source)) with { Result = true }, cancellationToken);
        running[source] = (dispatcher.GetHandle<IReadOnlyList<Headline>>(fetch.Id), store);
    }

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
            (JobState.Succeeded, _) => $"{await refresh.Store.GetResultAsync(TimeSpan.FromSeconds(1), cancellationToken)} new",
            (JobState.Dead or JobState.Expired, _) => $"failed: {store.Error?.Message}",
            (_, JobState.Retrying) => $"attempt {fetch.Attempts} failed, it is tried again: {fetch.Error?.Message}",
            (_, JobState.Running) => $"{fetch.ProgressText ?? "running"}, {fetch.Progress ?? 0:0 %}",
            (_, JobState.Succeeded) => "storing",
            _ => "waiting for a worker",
        };
    }
}
