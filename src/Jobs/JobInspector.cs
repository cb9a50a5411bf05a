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
    /// <summary>Which figures the transport knows that other transports do not.</summary>
    public abstract InspectionCapabilities Capabilities { get; }

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

    /// <summary>
    /// What workers did in the last hour, minute by minute, for each task and queue: from the counts that workers of Jobs
    /// tell each second, and from the events of Python workers, if these send them. The history knows the past, so a
    /// process that has just started knows it too; <see cref="ThroughputInfo.KnownFrom"/> says from when on.
    /// </summary>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="NotSupportedException">The transport has no history.</exception>
    public abstract Task<ThroughputInfo> ThroughputAsync(CancellationToken cancellationToken = default);

    /// <summary>The workers that were heard of within the last day, ordered by name.</summary>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="NotSupportedException">The transport has no history.</exception>
    public abstract Task<IReadOnlyList<WorkerInfo>> WorkersAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// The jobs that workers of Jobs run now, those that began first in front: at most 100 of each worker. The first
    /// call waits 2.5 seconds, in which each worker says what it runs. Python workers do not say it.
    /// </summary>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="NotSupportedException">The transport has no history.</exception>
    public abstract Task<IReadOnlyList<RunningJobInfo>> RunningAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// The queues, with what waits, runs and comes and goes. The first call waits 2.5 seconds for the workers. A call
    /// takes at most 5 seconds more; then the page has what is known, and says what is missing.
    /// </summary>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="NotSupportedException">The transport cannot be looked at.</exception>
    public abstract Task<QueuePage> QueuesAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// The jobs that wait for their time: delayed jobs and retries. Those that are due first come first.
    /// </summary>
    /// <param name="limit">How many jobs at most, up to 10,000. Defaults to 50.</param>
    /// <param name="after">
    /// Where the page begins: <see cref="DelayedPage.Next"/> of the page before. Defaults to the job that is due first.
    /// </param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="ArgumentOutOfRangeException">The limit is not between 1 and 10,000.</exception>
    /// <exception cref="ArgumentException"><paramref name="after"/> is not from another page.</exception>
    /// <exception cref="JobTransportException">The transport did not answer within 5 seconds.</exception>
    /// <exception cref="NotSupportedException">The transport cannot be looked at.</exception>
    public abstract Task<DelayedPage> DelayedAsync(int limit = 50, string? after = null, CancellationToken cancellationToken = default);

    /// <summary>The schedules; as <see cref="JobSchedules.ListAsync"/> lists them.</summary>
    /// <inheritdoc cref="JobSchedules.ListAsync"/>
    public abstract Task<IReadOnlyList<ScheduleInfo>> SchedulesAsync(CancellationToken cancellationToken = default);

    /// <summary>How the broker or the file is. A call takes at most 5 seconds, and says it when the transport is down.</summary>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="NotSupportedException">The transport cannot be looked at.</exception>
    public abstract Task<TransportInfo> TransportAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// Asks all workers of Jobs to tell every step of every job, as <see cref="EventLevel.All"/> does, until the returned
    /// object is disposed: for a viewer that shows jobs as they go. When this process dies, the workers stop telling
    /// within 30 seconds. Without a watch, jobs that succeed are only counted, unless <see cref="JobsOptions.Events"/>
    /// is <see cref="EventLevel.All"/>.
    /// </summary>
    public abstract IDisposable Watch();

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

    /// <summary>Groups dead letters by exception and place, the largest group first.</summary>
    /// <inheritdoc cref="DeadLettersAsync"/>
    public abstract Task<IReadOnlyList<DeadLetterGroup>> DeadLetterGroupsAsync(DeadLetterQuery query, CancellationToken cancellationToken = default);
}
