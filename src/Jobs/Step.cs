using System.ComponentModel;
using Jobs.Registry;
using Jobs.Wire;

namespace Jobs;

/// <summary>
/// A job that lacks its first argument: it gets the result of the job before it. Steps stand in chains
/// (<see cref="Canvas"/>). A step is immutable: <c>with</c> sets its options.
/// </summary>
/// <remarks>This task returns nothing; a task that returns a value has a <see cref="Step{TIn, TOut}"/>.</remarks>
/// <typeparam name="TIn">The type of the first parameter of the task.</typeparam>
public record Step<TIn>
{
    /// <summary>A task by name: one that lives in another program, or in another language.</summary>
    /// <param name="task">The wire name.</param>
    /// <param name="arguments">The positional arguments after the first one. Defaults to none.</param>
    /// <param name="keywordArguments">Keyword arguments. Defaults to none.</param>
    public Step(string task, IReadOnlyList<object?>? arguments = null, IReadOnlyDictionary<string, object?>? keywordArguments = null) =>
        Job = new(task, arguments, keywordArguments);

    /// <summary>A task of this program; called by generated code.</summary>
    [EditorBrowsable(EditorBrowsableState.Never)]
    public Step(TaskDefinition definition, JobArguments arguments) => Job = new(definition, arguments);

    /// <inheritdoc cref="Jobs.Job.TaskName"/>
    public string TaskName => Job.TaskName;

    /// <inheritdoc cref="Jobs.Job.Id"/>
    public string? Id
    {
        get => Job.Id;
        init => Job = Job with { Id = value };
    }

    /// <inheritdoc cref="Jobs.Job.Queue"/>
    public string? Queue
    {
        get => Job.Queue;
        init => Job = Job with { Queue = value };
    }

    /// <summary>Start no sooner than this long after the job before it has ended. Defaults to at once.</summary>
    public TimeSpan? Delay
    {
        get => Job.Delay;
        init => Job = Job with { Delay = value };
    }

    /// <summary>
    /// Drop the job when it has not started this long after the job before it has ended. Defaults to the task's value.
    /// </summary>
    public TimeSpan? Expires
    {
        get => Job.Expires;
        init => Job = Job with { Expires = value };
    }

    /// <inheritdoc cref="Jobs.Job.Priority"/>
    public byte? Priority
    {
        get => Job.Priority;
        init => Job = Job with { Priority = value };
    }

    /// <inheritdoc cref="Jobs.Job.Headers"/>
    public IReadOnlyDictionary<string, object?>? Headers
    {
        get => Job.Headers;
        init => Job = Job with { Headers = value };
    }

    /// <summary>The job without its first argument.</summary>
    internal Job Job { get; init; }
}

/// <summary>A job that lacks its first argument, of a task that returns a <typeparamref name="TOut"/>.</summary>
/// <typeparam name="TIn">The type of the first parameter of the task.</typeparam>
/// <typeparam name="TOut">What the task returns.</typeparam>
public sealed record Step<TIn, TOut> : Step<TIn>
{
    /// <inheritdoc cref="Step{TIn}(string, IReadOnlyList{object?}?, IReadOnlyDictionary{string, object?}?)"/>
    public Step(string task, IReadOnlyList<object?>? arguments = null, IReadOnlyDictionary<string, object?>? keywordArguments = null)
        : base(task, arguments, keywordArguments)
    {
    }

    /// <inheritdoc cref="Step{TIn}(TaskDefinition, JobArguments)"/>
    [EditorBrowsable(EditorBrowsableState.Never)]
    public Step(TaskDefinition definition, JobArguments arguments)
        : base(definition, arguments)
    {
    }
}
