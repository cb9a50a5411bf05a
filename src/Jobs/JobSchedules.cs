namespace Jobs;

/// <summary>
/// Lists and changes schedules while the application runs, from any of its processes, for all its beats. A change is
/// durable when its call returns. The change takes effect when the leading beat has read it, usually within
/// milliseconds.
/// </summary>
/// <remarks>
/// Each change has a version, made from the time. When two changes of one schedule conflict, the later version wins, in
/// whatever order they arrive; so the clocks of the processes that make changes should agree. A schedule that was set
/// at run time overrides one of the same name from an attribute, from code or from configuration.
/// <see cref="JobSchedules"/> is an abstract class, so that a test can use a class of its own.
/// </remarks>
public abstract class JobSchedules
{
    /// <summary>
    /// Lists every schedule that this process or a beat knows, ordered by name. The leading beat answers within
    /// milliseconds. When no beat runs, this process reads the beats' journal itself, which takes some seconds.
    /// </summary>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="JobTransportException">
    /// The beats' journal could not be read within <see cref="JobsOptions.EnqueueTimeout"/>.
    /// </exception>
    public abstract Task<IReadOnlyList<ScheduleInfo>> ListAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// Adds a cron schedule, or changes an existing schedule. A new timing counts from now on: occurrences of the
    /// former timing that have not fired are dropped.
    /// </summary>
    /// <param name="name">Unique in the application; the ids of the schedule's jobs are made from it.</param>
    /// <param name="cron">Five fields, or six with seconds first.</param>
    /// <param name="job">
    /// The job to enqueue. If the job gives no queue, priority or expiry, those of its task count, as this process
    /// knows the task.
    /// </param>
    /// <param name="timeZone">
    /// The zone that the expression is read in; every beat must know it. Defaults to UTC.
    /// </param>
    /// <param name="misfire">What happens to missed occurrences.</param>
    /// <param name="cancellationToken">Gives the call up; the change may have been made.</param>
    /// <returns>The version of the change.</returns>
    /// <exception cref="ArgumentException">The expression, the name, the time zone or the job is not valid.</exception>
    /// <exception cref="JobPublishException">The change may not have been made; make it again.</exception>
    public abstract Task<long> SetAsync(
        string name, string cron, Job job, TimeZoneInfo? timeZone = null, MisfirePolicy misfire = MisfirePolicy.Once,
        CancellationToken cancellationToken = default);

    /// <summary>Adds a schedule with a fixed interval, or changes an existing schedule.</summary>
    /// <inheritdoc cref="SetAsync(string, string, Job, TimeZoneInfo?, MisfirePolicy, CancellationToken)"/>
    /// <param name="name">Unique in the application; the ids of the schedule's jobs are made from it.</param>
    /// <param name="every">The interval, at least one second.</param>
    /// <param name="job">
    /// The job to enqueue. If the job gives no queue, priority or expiry, those of its task count, as this process
    /// knows the task.
    /// </param>
    /// <param name="misfire">What happens to missed occurrences.</param>
    /// <param name="cancellationToken">Gives the call up; the change may have been made.</param>
    public abstract Task<long> SetAsync(
        string name, TimeSpan every, Job job, MisfirePolicy misfire = MisfirePolicy.Once, CancellationToken cancellationToken = default);

    /// <summary>
    /// Undoes all changes that were made to a schedule at run time, also a pause. A schedule of code or configuration
    /// is then again as the code or configuration says. Any other schedule is gone. Does nothing when there is nothing
    /// to undo.
    /// </summary>
    /// <param name="name">The schedule.</param>
    /// <param name="cancellationToken">Gives the call up; the change may have been made.</param>
    /// <returns>The version of the change.</returns>
    /// <exception cref="ArgumentException">No schedule can have this name.</exception>
    /// <exception cref="JobPublishException">The change may not have been made; make it again.</exception>
    public abstract Task<long> RemoveAsync(string name, CancellationToken cancellationToken = default);

    /// <summary>
    /// Pauses a schedule: until <see cref="ResumeAsync"/> its occurrences pass without a job. This works for any
    /// schedule, including one of code. When a beat runs during the pause, these occurrences never fire later. When no
    /// beat runs, the schedule's misfire policy decides about them.
    /// </summary>
    /// <param name="name">The schedule.</param>
    /// <param name="cancellationToken">Gives the call up; the change may have been made.</param>
    /// <returns>The version of the change.</returns>
    /// <exception cref="ArgumentException">Neither this process nor a beat knows a schedule of that name.</exception>
    /// <exception cref="JobPublishException">The change may not have been made; make it again.</exception>
    /// <exception cref="JobTransportException">
    /// This process does not know the schedule, and the beats' journal could not be read. Nothing was changed.
    /// </exception>
    public abstract Task<long> PauseAsync(string name, CancellationToken cancellationToken = default);

    /// <summary>Ends a pause: the next occurrence fires.</summary>
    /// <inheritdoc cref="PauseAsync"/>
    public abstract Task<long> ResumeAsync(string name, CancellationToken cancellationToken = default);

    /// <summary>
    /// Enqueues the schedule's job once, now, beside its occurrences, also when the schedule is paused. The last and the
    /// next occurrence stay as they are. The leading beat enqueues the job, so this works for any schedule, including
    /// one that only the beat's program has. When no beat runs, the request waits for one, at most a day; then the beat
    /// drops it and logs that. So do beats with a request whose schedule was removed.
    /// </summary>
    /// <param name="name">The schedule.</param>
    /// <param name="cancellationToken">Gives the call up; the job may run all the same.</param>
    /// <returns>
    /// The id of the job. When a beat dies, the next one may enqueue the job again, with the same id.
    /// </returns>
    /// <exception cref="ArgumentException">Neither this process nor a beat knows a schedule of that name.</exception>
    /// <exception cref="JobPublishException">The request may not have been made; make it again.</exception>
    /// <exception cref="JobTransportException">
    /// This process does not know the schedule, and the beats' journal could not be read. Nothing was requested.
    /// </exception>
    public abstract Task<string> RunNowAsync(string name, CancellationToken cancellationToken = default);
}

/// <summary>One schedule, as <see cref="JobSchedules.ListAsync"/> found it.</summary>
public sealed record ScheduleInfo
{
    /// <summary>The name of the schedule.</summary>
    public required string Name { get; init; }

    /// <summary>
    /// The task of the schedule's jobs; <see langword="null"/> when this is unknown. A schedule of code or
    /// configuration is known when this process has it, or when the leading beat has it and answers. The same holds for
    /// <see cref="Queue"/> and the arguments.
    /// </summary>
    public string? TaskName { get; init; }

    /// <summary>When the schedule fires: cron expression and time zone, or the interval.</summary>
    public required string Timing { get; init; }

    /// <summary>
    /// <see cref="Timing"/> in words, such as "every 15 minutes, UTC"; the timing itself when it has no words.
    /// </summary>
    public string Words { get; init; } = "";

    /// <summary>The cron expression; <see langword="null"/> for an interval, and when this is unknown.</summary>
    public string? Cron { get; init; }

    /// <summary>
    /// The id of the time zone of <see cref="Cron"/>; <see langword="null"/> for UTC, for an interval, and when this is
    /// unknown.
    /// </summary>
    public string? TimeZone { get; init; }

    /// <summary>The interval; <see langword="null"/> for a cron expression, and when this is unknown.</summary>
    public TimeSpan? Every { get; init; }

    /// <summary>The queue of the schedule's jobs; <see langword="null"/> when this is unknown.</summary>
    public string? Queue { get; init; }

    /// <summary>
    /// The arguments of the schedule's jobs, as a JSON array; <see langword="null"/> when these are unknown.
    /// </summary>
    public string? Arguments { get; init; }

    /// <summary>
    /// The arguments by name of the schedule's jobs, as a JSON object; <see langword="null"/> when these are unknown.
    /// </summary>
    public string? NamedArguments { get; init; }

    /// <summary>
    /// <see cref="Arguments"/> for viewers: three stars stand for each value that <see cref="SensitiveAttribute"/> or
    /// <see cref="JobsOptions.SensitiveNames"/> hides; <see langword="null"/> when the arguments are unknown. A process
    /// knows the parameters of its own tasks only. When the task is another program's, three stars stand only for values
    /// that have a name in the arguments themselves.
    /// </summary>
    public string? MaskedArguments { get; init; }

    /// <summary><see cref="NamedArguments"/> for viewers, by the rules of <see cref="MaskedArguments"/>.</summary>
    public string? MaskedNamedArguments { get; init; }

    /// <summary>
    /// For how long each job waits after its occurrence; <see langword="null"/> for no wait, and when this is unknown.
    /// </summary>
    public TimeSpan? Delay { get; init; }

    /// <summary>
    /// After how long a job expires that has not run; <see langword="null"/> for never, and when this is unknown.
    /// </summary>
    public TimeSpan? Expires { get; init; }

    /// <summary>The priority of the schedule's jobs; <see langword="null"/> for none, and when this is unknown.</summary>
    public byte? Priority { get; init; }

    /// <summary>The headers of the schedule's jobs; <see langword="null"/> for none, and when these are unknown.</summary>
    public IReadOnlyDictionary<string, object?>? Headers { get; init; }

    /// <summary>
    /// What happens to missed occurrences; <see langword="null"/> when this process does not know the schedule or
    /// cannot read it.
    /// </summary>
    public MisfirePolicy? Misfire { get; init; }

    /// <summary>Whether the schedule is paused: its occurrences pass without a job.</summary>
    public bool IsPaused { get; init; }

    /// <summary>Whether <see cref="JobSchedules"/> set the schedule at run time.</summary>
    public bool IsSetAtRunTime { get; init; }

    /// <summary>
    /// All occurrences up to this time, in UTC, have fired or were passed over; <see langword="null"/> when no beat has
    /// begun with the schedule.
    /// </summary>
    public DateTimeOffset? LastOccurrence { get; init; }

    /// <summary>
    /// The id of the job of the last occurrence that enqueued its job; <see langword="null"/> when none has since the
    /// schedule was last removed, and when this is unknown: an older version of Jobs recorded the occurrence. The jobs
    /// of <see cref="JobSchedules.RunNowAsync"/> do not count.
    /// </summary>
    public string? LastJobId { get; init; }

    /// <summary>
    /// When the schedule fires next, in UTC; <see langword="null"/> when this is unknown, and when the schedule is
    /// paused or never fires again.
    /// </summary>
    public DateTimeOffset? NextOccurrence { get; init; }

    /// <summary>
    /// How late the schedule is: for how long an occurrence has been due that has not fired, zero for none. No beat runs,
    /// for example. <see langword="null"/> when this is unknown, and when the schedule is paused.
    /// </summary>
    public TimeSpan? Lateness { get; init; }

    /// <summary>
    /// How many occurrences are due that have not fired, zero for none. The count ends at 1,000: there may be more. The
    /// misfire policy decides how many of them fire. <see langword="null"/> when this is unknown, and when the schedule
    /// is paused.
    /// </summary>
    public int? Missed { get; init; }
}
