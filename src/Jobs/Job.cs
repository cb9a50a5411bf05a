using System.ComponentModel;
using Jobs.Registry;
using Jobs.Wire;

namespace Jobs;

/// <summary>
/// One request to run a task, before it is sent. A job is immutable: <c>with</c> sets the options of one call.
/// </summary>
/// <remarks>
/// An option that is <see langword="null"/> takes the value of the task, or else the value of the host. Two jobs are
/// equal when they name the same task and have equal arguments (see <see cref="JobArguments"/>) and equal options.
/// Headers are equal when their contents are.
/// </remarks>
public record Job
{
    readonly HeadersByContent headers;
    readonly Settings? settings; // null when the call sets no option: most set none, and each enqueue allocates a job

    /// <summary>A task by name: one that lives in another program, or in another language.</summary>
    /// <param name="task">The wire name.</param>
    /// <param name="arguments">Positional arguments.</param>
    /// <param name="keywordArguments">Keyword arguments.</param>
    public Job(string task, IReadOnlyList<object?>? arguments = null, IReadOnlyDictionary<string, object?>? keywordArguments = null)
    {
        TaskNameRule.Validate(task);
        TaskName = task;
        Arguments = new ValueArguments(arguments ?? [], keywordArguments);
    }

    /// <summary>A task of this program; called by generated code.</summary>
    [EditorBrowsable(EditorBrowsableState.Never)]
    public Job(TaskDefinition definition, JobArguments arguments)
    {
        ArgumentNullException.ThrowIfNull(definition);
        ArgumentNullException.ThrowIfNull(arguments);
        TaskName = definition.Name;
        Definition = definition;
        Arguments = arguments;
    }

    /// <summary>A task by name, with arguments that somebody wrote as JSON: in a form or a file, for example.</summary>
    /// <remarks>
    /// Each value goes on the wire as it is written: a number of any length keeps all its digits. When this program
    /// knows the task, the queue and the other options of the task count, as for any job by name.
    /// </remarks>
    /// <param name="task">The wire name.</param>
    /// <param name="arguments">Positional arguments, as a JSON array. Defaults to none.</param>
    /// <param name="namedArguments">Keyword arguments, as a JSON object. Defaults to none.</param>
    /// <exception cref="ArgumentException">
    /// The name of the task is not valid, or a text is not such JSON, names a property of one object twice, or has a
    /// string that is not Unicode. The message says what, and where.
    /// </exception>
    public static Job FromJson(string task, string? arguments = null, string? namedArguments = null)
    {
        TaskNameRule.Validate(task);
        return new(task, ArgumentJson.Positional(task, arguments), ArgumentJson.Named(task, namedArguments));
    }

    /// <summary>The wire name of the task.</summary>
    public string TaskName { get; }

    /// <summary>What the task is called with.</summary>
    public JobArguments Arguments { get; }

    /// <summary>The task; <see langword="null"/> when the job names a task of another program.</summary>
    internal TaskDefinition? Definition { get; init; }

    /// <summary>The name of the schedule that fires the job. The beat sets the name.</summary>
    internal string? Schedule
    {
        get => settings?.Schedule;
        init => settings = Settings.Of((settings ?? Settings.None) with { Schedule = value });
    }

    /// <summary>Whether a person looks at the job, so that workers tell each of its steps.</summary>
    internal bool IsWatched
    {
        get => settings?.IsWatched ?? false;
        init => settings = Settings.Of((settings ?? Settings.None) with { IsWatched = value });
    }

    /// <summary>The jobs that follow this one; <see langword="null"/> for none.</summary>
    internal Followers? Followers
    {
        get => settings?.Followers;
        init => settings = Settings.Of((settings ?? Settings.None) with { Followers = value });
    }

    /// <summary>
    /// The id, 1 to 255 bytes. Choose one so that a repeated enqueue can be recognised. Defaults to a new version-7
    /// UUID.
    /// </summary>
    public string? Id
    {
        get => settings?.Id;
        init => settings = Settings.Of((settings ?? Settings.None) with { Id = value });
    }

    /// <summary>The queue to send it to. Defaults to the task's queue.</summary>
    public string? Queue
    {
        get => settings?.Queue;
        init => settings = Settings.Of((settings ?? Settings.None) with { Queue = value });
    }

    /// <summary>
    /// Start no sooner than this long from now. Not together with <see cref="Eta"/>. Defaults to at once.
    /// </summary>
    public TimeSpan? Delay
    {
        get => settings?.Delay;
        init => settings = Settings.Of((settings ?? Settings.None) with { Delay = value });
    }

    /// <summary>Start no sooner than this time. Not together with <see cref="Delay"/>. Defaults to at once.</summary>
    public DateTimeOffset? Eta
    {
        get => settings?.Eta;
        init => settings = Settings.Of((settings ?? Settings.None) with { Eta = value });
    }

    /// <summary>
    /// Drop the job when it has not started this long after it was enqueued. Defaults to the task's value.
    /// </summary>
    public TimeSpan? Expires
    {
        get => settings?.Expires;
        init => settings = Settings.Of((settings ?? Settings.None) with { Expires = value });
    }

    /// <summary>
    /// 0 (normal) to 9 (most urgent), where the transport has priorities. Defaults to the task's value.
    /// </summary>
    public byte? Priority
    {
        get => settings?.Priority;
        init => settings = Settings.Of((settings ?? Settings.None) with { Priority = value });
    }

    /// <summary>
    /// Whether the caller wants to hear what becomes of the job: see <see cref="JobHandle{T}.GetResultAsync"/>.
    /// Defaults to the task's value (<see cref="TaskAttribute.TrackResult"/>).
    /// </summary>
    public bool? Result
    {
        get => settings?.Result;
        init => settings = Settings.Of((settings ?? Settings.None) with { Result = value });
    }

    /// <summary>
    /// Headers of your own that travel with the job. The dispatcher refuses names of the protocol (<c>task</c>,
    /// <c>id</c>, <c>x-jobs-*</c> …). Defaults to none.
    /// </summary>
    public IReadOnlyDictionary<string, object?>? Headers
    {
        get => headers.Values;
        init => headers = new(value);
    }

    sealed record Settings
    {
        public static Settings None { get; } = new();

        public string? Schedule { get; init; }

        public bool IsWatched { get; init; }

        public Followers? Followers { get; init; }

        public string? Id { get; init; }

        public string? Queue { get; init; }

        public TimeSpan? Delay { get; init; }

        public DateTimeOffset? Eta { get; init; }

        public TimeSpan? Expires { get; init; }

        public byte? Priority { get; init; }

        public bool? Result { get; init; }

        /// <summary>
        /// <see langword="null"/> when no option is set: a job with an option set to <see langword="null"/> equals a
        /// job without that option.
        /// </summary>
        public static Settings? Of(Settings settings) => settings == None ? null : settings;
    }

    // A type of its own, so that Job can keep the equality that the compiler generates over all fields.
    readonly struct HeadersByContent(IReadOnlyDictionary<string, object?>? values) : IEquatable<HeadersByContent>
    {
        public IReadOnlyDictionary<string, object?>? Values { get; } = values;

        public bool Equals(HeadersByContent other) =>
            ReferenceEquals(Values, other.Values)
            || (Values is not null && other.Values is { } others && Values.Count == others.Count
                && Values.All(header => others.TryGetValue(header.Key, out var value) && Equals(header.Value, value)));

        public override bool Equals(object? obj) => obj is HeadersByContent other && Equals(other);

        public override int GetHashCode() => Values?.Aggregate(1, (hash, header) => hash ^ HashCode.Combine(header.Key, header.Value)) ?? 0;
    }
}

/// <summary>One request to run a task that returns a <typeparamref name="T"/>.</summary>
/// <typeparam name="T">What the task returns.</typeparam>
public sealed record Job<T> : Job
{
    /// <summary>A task by name: one that lives in another program, or in another language.</summary>
    /// <param name="task">The wire name.</param>
    /// <param name="arguments">Positional arguments.</param>
    /// <param name="keywordArguments">Keyword arguments.</param>
    public Job(string task, IReadOnlyList<object?>? arguments = null, IReadOnlyDictionary<string, object?>? keywordArguments = null)
        : base(task, arguments, keywordArguments)
    {
    }

    /// <summary>A task of this program; called by generated code.</summary>
    [EditorBrowsable(EditorBrowsableState.Never)]
    public Job(TaskDefinition definition, JobArguments arguments)
        : base(definition, arguments)
    {
    }
}
