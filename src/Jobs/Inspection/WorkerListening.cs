using Jobs.Events;
using Jobs.Transport;

namespace Jobs.Inspection;

/// <summary>
/// Hears the heartbeats of workers, which the history does not keep, and asks the workers for more than they tell by
/// themselves (<see cref="WatchLease"/>).
/// </summary>
/// <remarks>
/// 1. It listens while somebody asks for workers, and for a minute afterwards; and while somebody watches.
/// 2. Meanwhile it asks all workers every ten seconds, each time for thirty: a question may be lost.
/// 3. Whatever fails ends the listening. The next question begins it anew, and a watch tries again by itself.
/// </remarks>
sealed class WorkerListening(JobBroadcast? broadcast, JobHistory history, LamportClock clock, TimeProvider time) : IAsyncDisposable
{
    static readonly TimeSpan idle = TimeSpan.FromMinutes(1);

    static readonly TimeSpan betweenAsks = WatchLease.Longest / 3;

    // In this time each worker says once that it lives.
    static readonly TimeSpan aRound = WorkerEvents.BeatsEvery + TimeSpan.FromMilliseconds(500);

    readonly Lock gate = new();
    readonly CancellationTokenSource stopping = new();
    Task listening = Task.CompletedTask;
    Task round = Task.CompletedTask;
    long asked;
    int watches;

    bool IsWanted => Volatile.Read(ref watches) > 0 || time.GetElapsedTime(Volatile.Read(ref asked)) < idle;

    /// <summary>Somebody asks. Returns when each worker that lives has had time to say so.</summary>
    public async ValueTask AskedAsync(CancellationToken cancellationToken)
    {
        if (broadcast is null)
        {
            return;
        }

        var heard = Begin();
        await heard.WaitAsync(aRound * 2, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
    }

    /// <summary>Asks the workers for every event, until the watch is disposed.</summary>
    public IDisposable Watch()
    {
        Interlocked.Increment(ref watches);
        if (broadcast is not null)
        {
            _ = Begin();
            Ask(broadcast);
        }

        return new Watching(this);
    }

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync().ConfigureAwait(false);
        await listening.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    Task Begin()
    {
        lock (gate)
        {
            asked = time.GetTimestamp();
            if (listening.IsCompleted && !stopping.IsCancellationRequested)
            {
                using (ExecutionContext.SuppressFlow()) // it outlives this call
                {
                    var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                    listening = Task.Run(() => ListenAsync(broadcast!, begun), CancellationToken.None);
                    round = begun.Task;
                }
            }

            return round;
        }
    }

    async Task ListenAsync(JobBroadcast broadcast, TaskCompletionSource begun)
    {
        do
        {
            try
            {
                await ListenOnceAsync(broadcast, begun).ConfigureAwait(false);
            }
            catch (Exception)
            {
                // As the story above says.
            }

            begun.TrySetResult();
            if (Volatile.Read(ref watches) > 0)
            {
                await Task.Delay(betweenAsks, time, stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
        while (Volatile.Read(ref watches) > 0 && !stopping.IsCancellationRequested);
    }

    async Task ListenOnceAsync(JobBroadcast broadcast, TaskCompletionSource begun)
    {
        await using var subscription = await broadcast.ListenAsync("worker.#", stopping.Token).ConfigureAwait(false);
        using var asking = time.CreateTimer(_ => Ask(broadcast), null, TimeSpan.Zero, betweenAsks);
        using var aRoundLater = time.CreateTimer(_ => begun.TrySetResult(), null, aRound, Timeout.InfiniteTimeSpan);
        while (IsWanted)
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

    void Ask(JobBroadcast broadcast)
    {
        try
        {
            broadcast.Send(WatchLease.Ask(NodeName.Dispatcher, clock, time.GetUtcNow(), WatchLease.Longest, all: Volatile.Read(ref watches) > 0));
        }
        catch (Exception)
        {
            // Against the contract of broadcasts; no exception may leave a timer.
        }
    }

    sealed class Watching(WorkerListening owner) : IDisposable
    {
        int isOver;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref isOver, 1) == 0)
            {
                Interlocked.Decrement(ref owner.watches);
            }
        }
    }
}
