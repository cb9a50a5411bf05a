namespace Jobs;

/// <summary>
/// Tells what became of jobs and what workers do, from the history of events. Any process of the application can ask.
/// </summary>
/// <remarks>
/// The first question of a process begins to read the history, which takes seconds when the history is long. From then
/// on the process follows it, and keeps the last 100,000 jobs in memory. <see cref="JobInspector"/> is an abstract
/// class, so that a test can use a class of its own.
/// </remarks>
public abstract class JobInspector
{
    /// <summary>
    /// What is known of a job. A job that is older than the last 100,000 is found by the time inside its id, if the id
    /// is one that Jobs has made.
    /// </summary>
    /// <param name="id">The id of the job.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>What is known; with <see cref="JobState.Unknown"/> when nothing is.</returns>
    /// <exception cref="NotSupportedException">The transport has no history.</exception>
    public abstract Task<JobInfo> GetJobAsync(string id, CancellationToken cancellationToken = default);

    /// <summary>
    /// Finds jobs, the newest first. Beyond the last 100,000 jobs the search reads the history itself, until the page is
    /// full or the query's time is over. There, a job that ran for longer than half a minute may look unfinished;
    /// <see cref="GetJobAsync"/> says how it ended.
    /// </summary>
    /// <param name="query">Which jobs.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="ArgumentException">The cursor, the page size or the time-out is not valid.</exception>
    /// <exception cref="NotSupportedException">The transport has no history.</exception>
    public abstract Task<JobPage> SearchAsync(JobQuery query, CancellationToken cancellationToken = default);

    /// <summary>Groups the failures among the last 100,000 jobs by the type of the exception and its place.</summary>
    /// <param name="query">Which jobs. The cursor and the page size do not count.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="ArgumentException">The time-out is not valid.</exception>
    /// <exception cref="NotSupportedException">The transport has no history.</exception>
    public abstract Task<FailurePage> FailuresAsync(JobQuery query, CancellationToken cancellationToken = default);

    /// <summary>The workers that were heard of within the last day, ordered by name.</summary>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="NotSupportedException">The transport has no history.</exception>
    public abstract Task<IReadOnlyList<WorkerInfo>> WorkersAsync(CancellationToken cancellationToken = default);

    /// <summary>Lists dead letters, the newest first, from the keeper's index.</summary>
    /// <param name="query">Which letters; a new query selects all.</param>
    /// <param name="limit">How many letters at most, up to 10,000. Defaults to 50.</param>
    /// <param name="after">
    /// Where the page begins: <see cref="DeadLetterPage.Next"/> of the page before. Defaults to the newest letter.
    /// </param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="ArgumentOutOfRangeException">The limit is not between 1 and 10,000.</exception>
    /// <exception cref="JobTransportException">
    /// The keeper did not answer within <see cref="JobsOptions.EnqueueTimeout"/>, and its journal could not be read.
    /// </exception>
    public abstract Task<DeadLetterPage> DeadLettersAsync(
        DeadLetterQuery query, int limit = 50, string? after = null, CancellationToken cancellationToken = default);

    /// <summary>Groups dead letters by exception and first frame, the largest group first.</summary>
    /// <inheritdoc cref="DeadLettersAsync"/>
    public abstract Task<IReadOnlyList<DeadLetterGroup>> DeadLetterGroupsAsync(DeadLetterQuery query, CancellationToken cancellationToken = default);
}
