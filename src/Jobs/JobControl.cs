namespace Jobs;

/// <summary>
/// Acts on jobs while the application runs, from any of its processes: sends dead letters back to their queues, or
/// deletes them.
/// </summary>
/// <remarks>
/// What is asked for is durable when the call has reached the transport, and is carried out by one process with a
/// worker, the keeper. When that process dies, another one goes on. When no process with a worker runs, the request
/// waits for one. <see cref="JobControl"/> is an abstract class, so that a test can use a class of its own.
/// </remarks>
public abstract class JobControl
{
    /// <summary>
    /// Sends dead letters back to the queues that they came from, with the same ids and all attempts, without an expiry.
    /// A letter whose queue is gone, or not known, stays. A job that the call has sent back, and that dies again, stays
    /// too. Letters that come while the request is carried out may go back or stay. When the keeper or its connection
    /// dies meanwhile, a job may go back twice.
    /// </summary>
    /// <param name="query">Which letters; a new query selects all.</param>
    /// <param name="options">How. Defaults to the defaults of <see cref="DeadLetterRetry"/>.</param>
    /// <param name="cancellationToken">Ends the wait; the request is carried out all the same.</param>
    /// <returns>
    /// What was done. The request is not <see cref="DeadLetterRequestState.Done"/> when the call does not wait, or when
    /// no process with a worker has begun with it within <see cref="JobsOptions.EnqueueTimeout"/>.
    /// </returns>
    /// <exception cref="ArgumentException">
    /// The arguments are no JSON, or there are arguments and the query does not name exactly one id.
    /// </exception>
    /// <exception cref="JobPublishException">
    /// The request may not have been made; make it again, with the same <see cref="DeadLetterRetry.RequestId"/>.
    /// </exception>
    /// <exception cref="JobTransportException">Nobody could be asked what became of the request.</exception>
    public abstract Task<DeadLetterRequest> RetryDeadLettersAsync(
        DeadLetterQuery query, DeadLetterRetry? options = null, CancellationToken cancellationToken = default);

    /// <summary>Deletes dead letters for good.</summary>
    /// <inheritdoc cref="RetryDeadLettersAsync"/>
    /// <param name="query">Which letters; a new query selects all.</param>
    /// <param name="wait">
    /// Whether the call returns when all is done. Defaults to <see langword="true"/>.
    /// </param>
    /// <param name="cancellationToken">Ends the wait; the request is carried out all the same.</param>
    public abstract Task<DeadLetterRequest> DeleteDeadLettersAsync(DeadLetterQuery query, bool wait = true, CancellationToken cancellationToken = default);

    /// <summary>
    /// Enqueues a job for a person who then looks at it: each step of the job is in the history, also where events only
    /// count jobs (<see cref="EventLevel.Default"/>).
    /// </summary>
    /// <inheritdoc cref="IJobDispatcher.EnqueueAsync(Job, CancellationToken)"/>
    public abstract Task<JobHandle> EnqueueAsync(Job job, CancellationToken cancellationToken = default);

    /// <summary>
    /// What became of a request; <see langword="null"/> when nobody knows it. A request is known for an hour after its
    /// end.
    /// </summary>
    /// <param name="id">See <see cref="DeadLetterRequest.Id"/>.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="JobTransportException">Nobody could be asked.</exception>
    public abstract Task<DeadLetterRequest?> GetRequestAsync(string id, CancellationToken cancellationToken = default);
}

/// <summary>How dead letters are sent back to their queues.</summary>
public sealed record DeadLetterRetry
{
    /// <summary>How many letters at most go back in a second. Defaults to 100.</summary>
    public double PerSecond { get; init; } = 100;

    /// <summary>
    /// The arguments that the job gets, as a JSON array; for one letter only. Defaults to the arguments that it had.
    /// </summary>
    public string? Arguments { get; init; }

    /// <summary>
    /// The arguments by name that the job gets, as a JSON object; for one letter only. Defaults to those that it had.
    /// </summary>
    public string? NamedArguments { get; init; }

    /// <summary>
    /// The id of the request: a call that failed is made again with the same id, and does nothing a second time. The keeper
    /// knows a request for one hour after its end. Defaults to a new id.
    /// </summary>
    public string? RequestId { get; init; }

    /// <summary>Whether the call returns when all is done. Defaults to <see langword="true"/>.</summary>
    public bool Wait { get; init; } = true;

    /// <summary>Hears how far the request is, while the call waits. Defaults to nobody.</summary>
    public IProgress<DeadLetterRequest>? Progress { get; init; }
}

/// <summary>What is done to dead letters.</summary>
public enum DeadLetterAction
{
    /// <summary>They go back to their queues.</summary>
    Retry,

    /// <summary>They are deleted.</summary>
    Delete,
}

/// <summary>How far a request is.</summary>
public enum DeadLetterRequestState
{
    /// <summary>No process with a worker has begun with it.</summary>
    Waiting,

    /// <summary>It is being carried out.</summary>
    Running,

    /// <summary>All is done.</summary>
    Done,
}

/// <summary>A request about dead letters, and what became of it so far.</summary>
public sealed record DeadLetterRequest
{
    /// <summary>The id of the request.</summary>
    public required string Id { get; init; }

    /// <summary>What is done.</summary>
    public DeadLetterAction Action { get; init; }

    /// <summary>To which letters.</summary>
    public required DeadLetterQuery Query { get; init; }

    /// <summary>When it was asked for, in UTC.</summary>
    public DateTimeOffset At { get; init; }

    /// <summary>How many letters at most per second.</summary>
    public double PerSecond { get; init; }

    /// <summary>See <see cref="DeadLetterRetry.Arguments"/>.</summary>
    public string? Arguments { get; init; }

    /// <summary>See <see cref="DeadLetterRetry.NamedArguments"/>.</summary>
    public string? NamedArguments { get; init; }

    /// <summary>How far it is.</summary>
    public DeadLetterRequestState State { get; init; }

    /// <summary>How many letters went back, or were deleted.</summary>
    public int Moved { get; init; }

    /// <summary>How many letters were selected and stay.</summary>
    public int Kept { get; init; }

    /// <summary>Why one of them stays; <see langword="null"/> when none does.</summary>
    public string? Problem { get; init; }
}
