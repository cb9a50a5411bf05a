using Jobs.Diagnostics;
using Jobs.Registry;
using Jobs.Transport;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs.Working;

/// <summary>Starts and stops the worker with its host.</summary>
/// <remarks>
/// A stop has four steps. No step loses a job or spends an attempt:
/// 1. Take no more jobs, and give back the jobs that have not started.
/// 2. Let running jobs finish, up to the drain deadline.
/// 3. Then fire the jobs' tokens, and give the jobs back too.
/// 4. Flush settlements and close.
/// <para>
/// When a service that starts later fails, the host is disposed without a stop. Then there is no drain, because the
/// services that jobs use are disposed too.
/// </para>
/// </remarks>
sealed class WorkerService(
    Worker worker,
    WorkerProgress progress,
    JobEvents events,
    JobTransport transport,
    TaskRegistry tasks,
    IOptions<JobsOptions> jobsOptions,
    IOptions<WorkerOptions> workerOptions,
    TimeProvider time,
    ILogger<WorkerService> logger,
    IHostApplicationLifetime? application = null) : IHostedService, IAsyncDisposable, IDisposable
{
    // How long a job may still run after its token fired. Then its delivery is given back under it.
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
        events.Start(queues, options.Concurrency); // before the first job
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
            return; // the worker never started, or has stopped
        }

        progress.Stopping();

        // Has its own time limit, and the next steps must happen.
        await open.StopAsync(CancellationToken.None).ConfigureAwait(false);
        await worker.GiveBackAsync().ConfigureAwait(false);
        if (!await EndsWithinAsync(options.DrainTimeout, cancellationToken).ConfigureAwait(false))
        {
            Log.DrainDeadline(logger, options.DrainTimeout);
            await InterruptAsync().ConfigureAwait(false);
        }

        await open.DisposeAsync().ConfigureAwait(false);
        await events.StopAsync().ConfigureAwait(false);
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
            await events.StopAsync().ConfigureAwait(false);
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
            Log.JobsIgnoredStop(logger); // closing the subscription gives these jobs back
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
