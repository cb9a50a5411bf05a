namespace Jobs;

/// <summary>Makes a public method a task: one process enqueues it, and another may run it.</summary>
/// <remarks>
/// The method may be static, or an instance method of a plain class: the class takes services through its constructor,
/// and each attempt has its own instance. The method may return <see cref="Task"/>, <see cref="Task{TResult}"/>,
/// <see cref="ValueTask"/>, <see cref="ValueTask{TResult}"/>, <see langword="void"/> or a value. The worker supplies a
/// parameter of type <see cref="JobContext"/> or <see cref="CancellationToken"/>; such a parameter is never sent.
/// </remarks>
/// <param name="name">
/// The wire name: lower-case, dotted, stable, for example <c>news.refresh</c>. Defaults to a name made of class and
/// method (<c>NewsTasks.RefreshAsync</c> is <c>news.refresh</c>).
/// </param>
[AttributeUsage(AttributeTargets.Method)]
public sealed class TaskAttribute(string? name = null) : Attribute
{
    /// <summary>The wire name; <see langword="null"/> when class and method give the name.</summary>
    public string? Name { get; } = name;

    /// <summary>
    /// Earlier wire names that this worker still runs, so that a rename loses no job in flight. Defaults to none.
    /// </summary>
    public string[] Aliases { get; set; } = [];

    /// <summary>The queue of the task's jobs. Defaults to <see cref="JobsOptions.DefaultQueue"/>.</summary>
    public string? Queue { get; set; }

    /// <summary>
    /// How many times a failed job is run again; 0 sends the first failure to the dead-letter queue. Defaults to
    /// <see cref="JobsOptions.MaxRetries"/>.
    /// </summary>
    public int MaxRetries { get; set; }

    /// <summary>
    /// The longest wait before the first retry, in seconds; it doubles with each further retry. Defaults to
    /// <see cref="JobsOptions.RetryDelay"/>.
    /// </summary>
    public double RetryDelaySeconds { get; set; }

    /// <summary>
    /// The longest wait before any retry, in seconds. Defaults to <see cref="JobsOptions.MaxRetryDelay"/>.
    /// </summary>
    public double MaxRetryDelaySeconds { get; set; }

    /// <summary>
    /// Types of exceptions that every later attempt would throw again, for example <c>[typeof(FormatException)]</c>. A
    /// job that fails with one of these types, or with a derived type, goes to the dead-letter queue at once. Defaults
    /// to none.
    /// </summary>
    public Type[] NoRetryOn { get; set; } = [];

    /// <summary>0 (normal) to 9 (most urgent), where the transport has priorities. Defaults to 0.</summary>
    public byte Priority { get; set; }

    /// <summary>Seconds after which a job that has not started is dropped. Defaults to never.</summary>
    public double ExpiresSeconds { get; set; }

    /// <summary>
    /// Acknowledge the job before its run (at most once) instead of after it (at least once). For work that must not be
    /// done twice, even if that means that it may be lost. Such a job runs once: a failure sends it to the dead-letter
    /// queue, and a crash loses it. Defaults to <see langword="false"/>.
    /// </summary>
    public bool AckEarly { get; set; }

    /// <summary>
    /// Every caller in this program wants to hear what becomes of the task's jobs, as with <see cref="Job.Result"/>. It
    /// costs one more message for each job. Defaults to <see langword="false"/>.
    /// </summary>
    public bool TrackResult { get; set; }
}
