using Jobs.Events;
using Jobs.Transport;

namespace Jobs.Inspection;

/// <summary>
/// Hears the heartbeats of workers while somebody asks for workers, and for a minute afterwards: the history does not
/// keep them.
/// </summary>
sealed class WorkerListening(JobBroadcast? broadcast, JobHistory history, TimeProvider time) : IAsyncDisposable
{
    static readonly TimeSpan idle = TimeSpan.FromMinutes(1);

    // In this time each worker says once that it lives.
    static readonly TimeSpan aRound = WorkerEvents.BeatsEvery + TimeSpan.FromMilliseconds(500);

    readonly Lock gate = new();
    readonly CancellationTokenSource stopping = new();
    Task listening = Task.CompletedTask;
    Task round = Task.CompletedTask;
    long asked;

    /// <summary>Somebody asks. Returns when each worker that lives has had time to say so.</summary>
    public async ValueTask AskedAsync(CancellationToken cancellationToken)
    {
        if (broadcast is null)
        {
            return;
        }

        Task heard;
        lock (gate)
        {
            asked = time.GetTimestamp();
            if (listening.IsCompleted && !stopping.IsCancellationRequested)
            {
                using (ExecutionContext.SuppressFlow()) // it outlives this call
                {
                    var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                    listening = Task.Run(() => ListenAsync(broadcast, begun), CancellationToken.None);
                    round = begun.Task;
                }
            }

            heard = round;
        }

        await heard.WaitAsync(aRound * 2, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
    }

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync().ConfigureAwait(false);
        await listening.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    // Whatever fails ends the listening; the next question begins it anew.
    async Task ListenAsync(JobBroadcast broadcast, TaskCompletionSource begun)
    {
        try
        {
            await using var subscription = await broadcast.ListenAsync("worker.#", stopping.Token).ConfigureAwait(false);
            using var aRoundLater = time.CreateTimer(_ => begun.TrySetResult(), null, aRound, Timeout.InfiniteTimeSpan);
            while (time.GetElapsedTime(Volatile.Read(ref asked)) < idle)
            {
                using var pause = new CancellationTokenSource(idle, time);
                using var both = CancellationTokenSource.CreateLinkedTokenSource(pause.Token, stopping.Token);
                try
                {
                    if (await subscription.NextAsync(both.Token).ConfigureAwait(false) is not { } message)
                    {
                        return;
                    }

                    history.Hear(message.Body.Span);
                }
                catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
                {
                    // No worker has said anything for a while.
                }
            }
        }
        catch (Exception)
        {
            // As above.
        }
        finally
        {
            begun.TrySetResult();
        }
    }
}
