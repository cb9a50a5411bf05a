namespace Jobs;

/// <summary>Calls jobs as one calls methods: enqueues, waits and returns the result.</summary>
public static class JobDispatcherExtensions
{
    /// <summary>Enqueues a job and waits until it has ended.</summary>
    /// <param name="dispatcher">The dispatcher.</param>
    /// <param name="job">The job.</param>
    /// <param name="timeout">
    /// How long to wait for the end at most, after the job was enqueued; <see cref="Timeout.InfiniteTimeSpan"/> for
    /// ever.
    /// </param>
    /// <param name="cancellationToken">Ends the wait. A job that is enqueued goes on.</param>
    /// <exception cref="JobFailedException">The job is dead, expired or revoked.</exception>
    /// <exception cref="TimeoutException">The job has not ended in that time. The job goes on.</exception>
    /// <inheritdoc cref="IJobDispatcher.EnqueueAsync(Job, CancellationToken)" path="/exception"/>
    public static async Task CallAsync(this IJobDispatcher dispatcher, Job job, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(dispatcher);
        ArgumentNullException.ThrowIfNull(job);
        var handle = await dispatcher.EnqueueAsync(job with { Result = true }, cancellationToken).ConfigureAwait(false);
        await handle.WaitAsync(timeout, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Enqueues a job, waits until it has ended, and returns what its task returned.</summary>
    /// <typeparam name="T">What the task returns.</typeparam>
    /// <inheritdoc cref="CallAsync(IJobDispatcher, Job, TimeSpan, CancellationToken)"/>
    public static async Task<T> CallAsync<T>(this IJobDispatcher dispatcher, Job<T> job, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(dispatcher);
        ArgumentNullException.ThrowIfNull(job);
        var handle = await dispatcher.EnqueueAsync(job with { Result = true }, cancellationToken).ConfigureAwait(false);
        return await handle.GetResultAsync(timeout, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Enqueues a chain and waits until its last job has ended.</summary>
    /// <inheritdoc cref="CallAsync(IJobDispatcher, Job, TimeSpan, CancellationToken)"/>
    public static async Task CallAsync(this IJobDispatcher dispatcher, Chain chain, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(dispatcher);
        ArgumentNullException.ThrowIfNull(chain);
        var handle = await dispatcher.EnqueueAsync(chain with { Result = true }, cancellationToken).ConfigureAwait(false);
        await handle.WaitAsync(timeout, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Enqueues a chain, waits until its last job has ended, and returns what the last task returned.
    /// </summary>
    /// <typeparam name="T">What the last task returns.</typeparam>
    /// <inheritdoc cref="CallAsync(IJobDispatcher, Job, TimeSpan, CancellationToken)"/>
    public static async Task<T> CallAsync<T>(this IJobDispatcher dispatcher, Chain<T> chain, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(dispatcher);
        ArgumentNullException.ThrowIfNull(chain);
        var handle = await dispatcher.EnqueueAsync(chain with { Result = true }, cancellationToken).ConfigureAwait(false);
        return await handle.GetResultAsync(timeout, cancellationToken).ConfigureAwait(false);
    }
}
