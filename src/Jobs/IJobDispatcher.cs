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
    /// <exception cref="EnqueueManyException">Some were not enqueued; it says which, and carries the handles of the others.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; any of them may have been enqueued.</exception>
    Task<IReadOnlyList<JobHandle>> EnqueueManyAsync(IEnumerable<Job> jobs, CancellationToken cancellationToken = default);
}
