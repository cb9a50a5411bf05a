using Jobs.Diagnostics;
using Jobs.Registry;
using Jobs.Transport;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs.Working;

/// <summary>The worker's life in a host.</summary>
/// <remarks>
/// Stop: 1. take nothing more and give back what has not started; 2. let running jobs finish up to the drain deadline; 3. then fire their tokens
/// and give them back too; 4. flush and close. Nothing is lost and no attempt is spent at any of these steps.
/// When a service that starts later fails, the host is disposed without a stop: then there is no drain, because what jobs use is disposed too.
/// </remarks>
sealed class WorkerService(
    Worker worker,
    WorkerProgress progress,
    JobTransport transport,
    TaskRegistry tasks,
    IOptions<JobsOptions> jobsOptions,
    IOptions<WorkerOptions> workerOptions,
    TimeProvider time,
    ILogger<WorkerService> logger,
    IHostApplicationLifetime? application = null) : IHostedService, IAsyncDisposable, IDisposable
{
    // What a job gets, after its token fired, to come to an end before its delivery is taken from it.
    static readonly TimeSpan afterInterrupt = TimeSpan.FromSeconds(3);

    readonly TimeProvider time = GuardedTime.Of(time);
    readonly ILogger logger = GuardedLogger.Of(logger);
    readonly CancellationTokenSource interrupt = new();
    readonly ThreadGuard threads = new(workerOptions.Value.Concurrency, GuardedLogger.Of(logger));
    readonly WorkerOptions options = workerOptions.Value;
    JobSubscription? subscription;
    Task running = Task.CompletedTask;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var queues = options.EffectiveQueues(tasks, jobsOptions.Value);
        subscription = await transport.SubscribeAsync(
            new()
            {
                Queues = queues,
                Prefetch = options.EffectivePrefetch,
                QueuePrefetch = options.EffectiveQueuePrefetch,
                MaxDeliveries = options.MaxDeliveries,
                Begin = ApplicationStartedAsync(),
            },
            cancellationToken).ConfigureAwait(false);
        threads.Start();
        running = worker.RunAsync(subscription, options, interrupt.Token);
        Log.WorkerStarted(logger, string.Join(", ", queues), options.Concurrency, options.EffectivePrefetch);
    }

    Task ApplicationStartedAsync()
    {
        if (application is null || !options.WaitForApplicationStart)
        {
            return Task.CompletedTask;
        }

        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        application.ApplicationStarted.UnsafeRegister(static started => ((TaskCompletionSource)started!).TrySetResult(), started);
        return started.Task;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref subscription, null) is not { } open)
        {
            return; // it never started, or has stopped
        }

        progress.Stopping();

        await open.StopAsync(CancellationToken.None).ConfigureAwait(false); // bounded by itself, and what follows must happen
        await worker.GiveBackAsync().ConfigureAwait(false);
        if (!await EndsWithinAsync(options.DrainTimeout, cancellationToken).ConfigureAwait(false))
        {
            Log.DrainDeadline(logger, options.DrainTimeout);
            await InterruptAsync().ConfigureAwait(false);
        }

        await open.DisposeAsync().ConfigureAwait(false);
        threads.Dispose();
        Log.WorkerStopped(logger);
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref subscription, null) is { } open)
        {
            progress.Stopping();
            await open.StopAsync(CancellationToken.None).ConfigureAwait(false);
            await worker.GiveBackAsync().ConfigureAwait(false);
            await InterruptAsync().ConfigureAwait(false);
            await open.DisposeAsync().ConfigureAwait(false);
        }

        threads.Dispose();
        interrupt.Dispose();
    }

    public void Dispose() => this.DisposeWithin(SynchronousDisposal.Limit);

    async Task InterruptAsync()
    {
        await interrupt.CancelAsync().ConfigureAwait(false);
        if (!await EndsWithinAsync(afterInterrupt, CancellationToken.None).ConfigureAwait(false))
        {
            Log.JobsIgnoredStop(logger); // closing the subscription gives them back
        }
    }

    async Task<bool> EndsWithinAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        try
        {
            await running.WaitAsync(limit, time, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            return false;
        }
    }
}
