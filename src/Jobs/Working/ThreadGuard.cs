using Jobs.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Jobs.Working;

/// <summary>
/// Gives the thread pool more threads when jobs block all that it has. The pool by itself adds one or two a second; until
/// then no heartbeat is sent, the broker takes the connection for dead and the jobs run a second time. (RabbitMQ.Client #520, #1354)
/// </summary>
/// <remarks>A thread of its own looks twice a second whether the pool still answers: nothing that runs on the pool could tell.</remarks>
sealed class ThreadGuard(int concurrency, ILogger logger) : IDisposable
{
    static readonly TimeSpan interval = TimeSpan.FromMilliseconds(500);

    // Well under the time after which a broker misses a heartbeat.
    static readonly TimeSpan patience = TimeSpan.FromSeconds(1);

    readonly ManualResetEventSlim stopping = new();

    /// <summary>Starts to look.</summary>
    public void Start() => new Thread(Watch) { IsBackground = true, Name = "Jobs thread guard" }.UnsafeStart();

    public void Dispose() => stopping.Set();

    void Watch()
    {
        while (!stopping.Wait(interval))
        {
            var answer = new ManualResetEventSlim(); // not disposed: a late answer still sets it
            ThreadPool.UnsafeQueueUserWorkItem(static answer => answer.Set(), answer, preferLocal: false);
            if (!answer.Wait(patience) && Raise() is { } threads)
            {
                Log.ThreadsBlocked(logger, threads);
            }
        }
    }

    /// <returns>How many threads the pool now makes at once, or <see langword="null"/> when it makes no more.</returns>
    int? Raise()
    {
        ThreadPool.GetMinThreads(out _, out var completions);
        var wanted = ThreadPool.ThreadCount + concurrency + Environment.ProcessorCount; // all that there are block
        return ThreadPool.SetMinThreads(wanted, completions) ? wanted : null;
    }
}
