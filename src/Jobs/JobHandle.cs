using Jobs.Registry;
using Jobs.Results;

namespace Jobs;

/// <summary>
/// A job that has been enqueued. Only a dispatcher makes handles; a test can derive a class to stand in for one.
/// </summary>
public class JobHandle
{
    readonly ResultReader? results;

    /// <summary>For tests. The handle knows no result.</summary>
    /// <param name="id">The id of the job.</param>
    protected internal JobHandle(string id) => Id = id;

    internal JobHandle(in SentJobHandle sent) => (Id, results) = (sent.Id, sent.Results);

    /// <summary>The id of the job.</summary>
    public string Id { get; }

    /// <summary>What is known of the job now.</summary>
    /// <remarks>
    /// Over SQLite and in memory, the state is the one of the job. Over RabbitMQ, the state is what the workers told
    /// this process: a job is queued until its end, unless its task reports progress or its worker has
    /// <see cref="JobsOptions.TrackStarted"/>.
    /// </remarks>
    /// <exception cref="InvalidOperationException">Nobody asked for the result of the job.</exception>
    public virtual Task<JobStatus> GetStatusAsync(CancellationToken cancellationToken = default) => Results().StatusAsync(Id, cancellationToken);

    /// <summary>Waits until the job has ended.</summary>
    /// <param name="timeout">How long to wait at most; <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <param name="cancellationToken">Ends the wait. The job goes on.</param>
    /// <exception cref="JobFailedException">The job is dead, expired or revoked.</exception>
    /// <exception cref="TimeoutException">The job has not ended in that time. The job goes on.</exception>
    /// <exception cref="InvalidOperationException">Nobody asked for the result of the job.</exception>
    public virtual Task WaitAsync(TimeSpan timeout, CancellationToken cancellationToken = default) => Results().EndAsync(Id, timeout, cancellationToken);

    /// <inheritdoc/>
    public override string ToString() => Id;

    private protected ResultReader Results() => results ?? throw new InvalidOperationException(
        $"Nobody asked for the result of job {Id}. Enqueue the job 'with {{ Result = true }}', or set TrackResult = true on the [Task] attribute.");
}

/// <summary>A job that has been enqueued and will return a <typeparamref name="T"/>.</summary>
/// <typeparam name="T">What the task returns.</typeparam>
public class JobHandle<T> : JobHandle
{
    readonly TaskDefinition? task;

    /// <summary>For tests. The handle knows no result.</summary>
    /// <param name="id">The id of the job.</param>
    protected internal JobHandle(string id)
        : base(id)
    {
    }

    internal JobHandle(in SentJobHandle sent)
        : base(sent) => task = sent.Task;

    /// <summary>Waits until the job has ended, and returns what its task returned.</summary>
    /// <param name="timeout">How long to wait at most; <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <param name="cancellationToken">Ends the wait. The job goes on.</param>
    /// <remarks>
    /// Inside of a job, waiting keeps a slot of the worker busy. When all slots wait for jobs that wait for a slot,
    /// nothing runs any more: compose jobs with <c>Then</c> instead.
    /// </remarks>
    /// <exception cref="JobFailedException">The job is dead, expired or revoked.</exception>
    /// <exception cref="JobFormatException">The result does not fit <typeparamref name="T"/>.</exception>
    /// <exception cref="TimeoutException">The job has not ended in that time. The job goes on.</exception>
    /// <exception cref="InvalidOperationException">
    /// Nobody asked for the result of the job, or the result was dropped because too many results waited.
    /// </exception>
    public virtual async Task<T> GetResultAsync(TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        var results = Results();
        return results.Read<T>(await results.EndAsync(Id, timeout, cancellationToken).ConfigureAwait(false), task);
    }
}

/// <summary>What a dispatcher knows of a job that it has enqueued.</summary>
/// <param name="Id">The id.</param>
/// <param name="Results">Reads the job's result; <see langword="null"/> when nobody asked for one.</param>
/// <param name="Task">The task whose result it is; <see langword="null"/> for a task of another program.</param>
readonly record struct SentJobHandle(string Id, ResultReader? Results = null, TaskDefinition? Task = null);
