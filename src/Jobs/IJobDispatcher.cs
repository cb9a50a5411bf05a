namespace Jobs;

/// <summary>Sends jobs. Each call returns when the transport holds the job durably (over RabbitMQ: when the broker has confirmed it).</summary>
/// <remarks>A job enqueued inside a running job carries its <c>root_id</c> and <c>parent_id</c>; W3C trace context always travels.</remarks>
public interface IJobDispatcher
{
    /// <summary>Enqueues one job.</summary>
    /// <exception cref="ArgumentException">The job's options contradict each other or cannot be sent; nothing left the process.</exception>
    /// <exception cref="JobPublishException">It was not enqueued, or it is not known whether it was: see <see cref="JobPublishException.MaybeEnqueued"/>.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the job may or may not have been enqueued.</exception>
    Task<JobHandle> EnqueueAsync(Job job, CancellationToken cancellationToken = default);

    /// <summary>Enqueues one job whose task returns a value.</summary>
    /// <inheritdoc cref="EnqueueAsync(Job, CancellationToken)" path="/exception"/>
    Task<JobHandle<T>> EnqueueAsync<T>(Job<T> job, CancellationToken cancellationToken = default);

    /// <summary>Enqueues many jobs pipelined, which is far faster than one call after the other, and returns when all are confirmed.</summary>
    /// <returns>A handle per job, in the order given.</returns>
    /// <remarks>
    /// The sequence is read while its first jobs are on their way; at most about a thousand jobs are at once. When it
    /// throws, the jobs that it gave before are still enqueued and awaited.
    /// </remarks>
    /// <exception cref="JobBatchException">Some were not enqueued, or the sequence threw; it says which, and carries the handles of the others.</exception>
    /// <exception cref="JobBatchCanceledException">Cancelled; it carries the handles of those that are enqueued, and any other may have been.</exception>
    Task<IReadOnlyList<JobHandle>> EnqueueManyAsync(IEnumerable<Job> jobs, CancellationToken cancellationToken = default);

    /// <summary>Enqueues many jobs whose tasks return a <typeparamref name="T"/>.</summary>
    /// <typeparam name="T">What the tasks return.</typeparam>
    /// <inheritdoc cref="EnqueueManyAsync(IEnumerable{Job}, CancellationToken)" path="/*[not(self::summary)]"/>
    Task<IReadOnlyList<JobHandle<T>>> EnqueueManyAsync<T>(IEnumerable<Job<T>> jobs, CancellationToken cancellationToken = default);
}
