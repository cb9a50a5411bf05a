namespace Jobs;

/// <summary>Makes a public method a task: something that can be enqueued by one process and run by another.</summary>
/// <remarks>
/// The method may be static or an instance method of a plain class (constructor injection, one instance per run) and may
/// return <see cref="Task"/>, <see cref="Task{TResult}"/>, <see cref="ValueTask"/>, <see cref="ValueTask{TResult}"/>,
/// <see langword="void"/> or a value. A <see cref="JobContext"/> or <see cref="CancellationToken"/> parameter is injected, never sent.
/// </remarks>
/// <param name="name">
/// The wire name: lower-case, dotted, stable, for example <c>news.refresh</c>. Defaults to a name made of class and method
/// (<c>NewsTasks.RefreshAsync</c> is <c>news.refresh</c>).
/// </param>
[AttributeUsage(AttributeTargets.Method)]
public sealed class TaskAttribute(string? name = null) : Attribute
{
    /// <summary>The wire name, or <see langword="null"/> when it is made of class and method.</summary>
    public string? Name { get; } = name;

    /// <summary>Earlier wire names that this worker still runs, so that a rename loses no job in flight. Defaults to none.</summary>
    public string[] Aliases { get; set; } = [];

    /// <summary>The queue its jobs go to. Defaults to <see cref="JobsOptions.DefaultQueue"/>.</summary>
    public string? Queue { get; set; }

    /// <summary>How many times a failed job is run again; 0 sends the first failure to the dead-letter queue. Defaults to <see cref="JobsOptions.MaxRetries"/>.</summary>
    public int MaxRetries { get; set; }

    /// <summary>Seconds that the first retry waits at most; each further one may wait twice as long. Defaults to <see cref="JobsOptions.RetryDelay"/>.</summary>
    public double RetryDelaySeconds { get; set; }

    /// <summary>Seconds that no retry waits longer than. Defaults to <see cref="JobsOptions.MaxRetryDelay"/>.</summary>
    public double MaxRetryDelaySeconds { get; set; }

    /// <summary>
    /// Exceptions that no later attempt can be without, for example <c>[typeof(FormatException)]</c>: a job that fails with one of
    /// them, or of a type derived from one, goes to the dead-letter queue at once. Defaults to none.
    /// </summary>
    public Type[] NoRetryOn { get; set; } = [];

    /// <summary>0 (normal) to 9 (most urgent), where the transport has priorities. Defaults to 0.</summary>
    public byte Priority { get; set; }

    /// <summary>Seconds after which a job that has not started is dropped. Defaults to never.</summary>
    public double ExpiresSeconds { get; set; }

    /// <summary>
    /// Acknowledge before the run (at most once) instead of after it (at least once): for work that must rather be lost than
    /// done twice. Such a job is not retried after a crash. Defaults to <see langword="false"/>.
    /// </summary>
    public bool AckEarly { get; set; }
}
