using Jobs.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Jobs.Working;

/// <summary>
/// Gives the thread pool more threads when jobs block all its threads. By itself the pool adds only one or two threads
/// a second. Until there are enough, no thread is free to send heartbeats, the broker takes the connection for dead,
/// and the jobs run a second time. (RabbitMQ.Client #520, #1354)
/// </summary>
/// <remarks>
/// The guard has a thread of its own, because code on the pool could not run. The thread looks twice a second whether
/// the pool still answers.
/// </remarks>
sealed class ThreadGuard(int concurrency, ILogger logger) : IDisposable
{
    static readonly TimeSpan interval = TimeSpan.FromMilliseconds(500);

    // Well below the time after which a broker misses a heartbeat.
    static readonly TimeSpan patience = TimeSpan.FromSeconds(1);

    readonly ManualResetEventSlim stopping = new();

    /// <summary>Starts the thread.</summary>
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

    /// <returns>
    /// Up to how many threads the pool now makes at once, or <see langword="null"/> when it refuses to make more.
    /// </returns>
    int? Raise()
    {
        ThreadPool.GetMinThreads(out _, out var completions);
        var wanted = ThreadPool.ThreadCount + concurrency + Environment.ProcessorCount; // all threads are blocked
        return ThreadPool.SetMinThreads(wanted, completions) ? wanted : null;
    }
}
