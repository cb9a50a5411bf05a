namespace Jobs;

/// <summary>
/// Sends jobs. Each call returns when the transport holds the job durably; over RabbitMQ, when the broker has confirmed
/// the job.
/// </summary>
/// <remarks>
/// When a running job enqueues a job, the new job carries the id of the running job as its <c>parent_id</c>, and the
/// root of the running job as its <c>root_id</c>. W3C trace context always travels with a job.
/// </remarks>
public interface IJobDispatcher
{
    /// <summary>Enqueues one job.</summary>
    /// <exception cref="ArgumentException">
    /// The job's options contradict each other or cannot be sent. Nothing left the process.
    /// </exception>
    /// <exception cref="JobPublishException">
    /// The job was not enqueued, or nobody knows whether it was: see <see cref="JobPublishException.MaybeEnqueued"/>.
    /// </exception>
    /// <exception cref="OperationCanceledException">
    /// The call was cancelled. The job may or may not be enqueued.
    /// </exception>
    Task<JobHandle> EnqueueAsync(Job job, CancellationToken cancellationToken = default);

    /// <summary>Enqueues one job whose task returns a value.</summary>
    /// <inheritdoc cref="EnqueueAsync(Job, CancellationToken)" path="/exception"/>
    Task<JobHandle<T>> EnqueueAsync<T>(Job<T> job, CancellationToken cancellationToken = default);

    /// <summary>
    /// Enqueues a chain: its first job, whose message carries the others. The handle is that of the last job, and fails
    /// when a job before it fails.
    /// </summary>
    /// <inheritdoc cref="EnqueueAsync(Job, CancellationToken)" path="/exception"/>
    Task<JobHandle> EnqueueAsync(Chain chain, CancellationToken cancellationToken = default);

    /// <summary>Enqueues a chain whose last task returns a value.</summary>
    /// <inheritdoc cref="EnqueueAsync(Chain, CancellationToken)"/>
    Task<JobHandle<T>> EnqueueAsync<T>(Chain<T> chain, CancellationToken cancellationToken = default);

    /// <summary>
    /// Enqueues many jobs pipelined, which is far faster than one call after the other. Returns when all jobs are
    /// confirmed.
    /// </summary>
    /// <returns>A handle per job, in the order given.</returns>
    /// <remarks>
    /// The call reads the sequence while its first jobs are on their way. At most about a thousand jobs are on their
    /// way at once. When the sequence throws, the jobs that the sequence gave before are still enqueued and awaited.
    /// </remarks>
    /// <exception cref="JobBatchException">
    /// Some jobs were not enqueued, or the sequence threw. The exception says which jobs failed, and carries the
    /// handles of the others.
    /// </exception>
    /// <exception cref="JobBatchCanceledException">
    /// The call was cancelled. The exception carries the handles of the jobs that are enqueued; any other job may be
    /// enqueued too.
    /// </exception>
    Task<IReadOnlyList<JobHandle>> EnqueueManyAsync(IEnumerable<Job> jobs, CancellationToken cancellationToken = default);

    /// <summary>Enqueues many jobs whose tasks return a <typeparamref name="T"/>.</summary>
    /// <typeparam name="T">What the tasks return.</typeparam>
    /// <inheritdoc cref="EnqueueManyAsync(IEnumerable{Job}, CancellationToken)" path="/*[not(self::summary)]"/>
    Task<IReadOnlyList<JobHandle<T>>> EnqueueManyAsync<T>(IEnumerable<Job<T>> jobs, CancellationToken cancellationToken = default);

    /// <summary>Enqueues many chains pipelined: the first job of each.</summary>
    /// <returns>A handle per chain, of its last job, in the order given.</returns>
    /// <inheritdoc cref="EnqueueManyAsync(IEnumerable{Job}, CancellationToken)" path="/*[not(self::summary or self::returns)]"/>
    Task<IReadOnlyList<JobHandle>> EnqueueManyAsync(IEnumerable<Chain> chains, CancellationToken cancellationToken = default);

    /// <summary>Enqueues many chains whose last tasks return a <typeparamref name="T"/>.</summary>
    /// <typeparam name="T">What the last tasks return.</typeparam>
    /// <inheritdoc cref="EnqueueManyAsync(IEnumerable{Chain}, CancellationToken)" path="/*[not(self::summary)]"/>
    Task<IReadOnlyList<JobHandle<T>>> EnqueueManyAsync<T>(IEnumerable<Chain<T>> chains, CancellationToken cancellationToken = default);

    /// <summary>
    /// The handle of a job that was enqueued elsewhere or earlier, by its id. Its result is read as a
    /// <typeparamref name="T"/>.
    /// </summary>
    /// <remarks>
    /// Over SQLite every process on the same file can read a result by id, and in memory the same process can. Over
    /// RabbitMQ only the process that enqueued the job can: results go to the reply queue of that process.
    /// </remarks>
    /// <typeparam name="T">What the task returns.</typeparam>
    /// <param name="id">The id of the job.</param>
    JobHandle<T> GetHandle<T>(string id);
}
