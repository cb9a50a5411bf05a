using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Jobs.Wire;

namespace Jobs.Registry;

/// <summary>
/// A task: its name, its options and how to call its method. The generator derives a class per annotated method.
/// </summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public abstract class TaskDefinition
{
    IReadOnlyList<TaskParameter>? parameters;

    /// <summary>The wire name.</summary>
    public required string Name { get; init; }

    /// <summary>Earlier wire names.</summary>
    public IReadOnlyList<string> Aliases { get; init; } = [];

    /// <summary>The queue, or <see langword="null"/> for the host's default.</summary>
    public string? Queue { get; init; }

    /// <summary>How many times a failed job is run again, or <see langword="null"/> for the host's value.</summary>
    public int? MaxRetries { get; init; }

    /// <summary>The longest wait before the first retry, or <see langword="null"/> for the host's value.</summary>
    public TimeSpan? RetryDelay { get; init; }

    /// <summary>The longest wait before any retry, or <see langword="null"/> for the host's value.</summary>
    public TimeSpan? MaxRetryDelay { get; init; }

    /// <summary>Types of exceptions that are not retried; derived types count too.</summary>
    public IReadOnlyList<Type> NoRetryOn { get; init; } = [];

    /// <summary>The priority, or <see langword="null"/> for none.</summary>
    public byte? Priority { get; init; }

    /// <summary>After how long a job that has not started is dropped, or <see langword="null"/> for never.</summary>
    public TimeSpan? Expires { get; init; }

    /// <summary>The worker acknowledges the job before its run (at most once).</summary>
    public bool AckEarly { get; init; }

    /// <summary>Callers in this program want the results of the task's jobs.</summary>
    public bool TrackResult { get; init; }

    /// <summary>The schedules from the method's <c>[Cron]</c> and <c>[Every]</c> attributes.</summary>
    public IReadOnlyList<TaskSchedule> Schedules { get; init; } = [];

    /// <summary>
    /// The parameters that are sent, in the order of the message. Made when somebody first asks, so that no start waits
    /// for them.
    /// </summary>
    public IReadOnlyList<TaskParameter> Parameters { get => parameters ??= DescribeParameters(); init => parameters = value; }

    /// <summary>The class that holds the method.</summary>
    public required Type Class { get; init; }

    /// <summary>Makes <see cref="Parameters"/>.</summary>
    protected virtual IReadOnlyList<TaskParameter> DescribeParameters() => [];

    /// <summary>Reads the arguments and calls the method.</summary>
    /// <exception cref="JobFormatException">The arguments do not fit the method's parameters.</exception>
    public abstract ValueTask InvokeAsync(JobContext context, ref ArgumentReader arguments);

    /// <summary>Does the same as <see cref="InvokeAsync"/>, for a job whose result somebody waits for.</summary>
    /// <returns>The result as JSON; <c>null</c> for a task that returns nothing, as in Celery.</returns>
    /// <exception cref="JobFormatException">
    /// The arguments do not fit the method's parameters, or the result cannot be written.
    /// </exception>
    public virtual ValueTask<ReadOnlyMemory<byte>> InvokeForResultAsync(JobContext context, ref ArgumentReader arguments)
    {
        return NullAfterAsync(InvokeAsync(context, ref arguments));

        static async ValueTask<ReadOnlyMemory<byte>> NullAfterAsync(ValueTask call)
        {
            await call.ConfigureAwait(false);
            return "null"u8.ToArray();
        }
    }
}

/// <summary>A task that returns a <typeparamref name="T"/>.</summary>
/// <typeparam name="T">What the task returns.</typeparam>
[EditorBrowsable(EditorBrowsableState.Never)]
public abstract class TaskDefinition<T> : TaskDefinition
{
    /// <summary>Reads the arguments, calls the method and returns its value.</summary>
    /// <exception cref="JobFormatException">The arguments do not fit the method's parameters.</exception>
    public abstract ValueTask<T> CallAsync(JobContext context, ref ArgumentReader arguments);

    /// <inheritdoc/>
    public sealed override ValueTask InvokeAsync(JobContext context, ref ArgumentReader arguments)
    {
        var call = CallAsync(context, ref arguments);
        if (call.IsCompletedSuccessfully)
        {
            _ = call.Result;
            return ValueTask.CompletedTask;
        }

        return new(call.AsTask());
    }

    /// <inheritdoc/>
    public sealed override ValueTask<ReadOnlyMemory<byte>> InvokeForResultAsync(JobContext context, ref ArgumentReader arguments)
    {
        return WriteAfterAsync(CallAsync(context, ref arguments), arguments.Types);

        async ValueTask<ReadOnlyMemory<byte>> WriteAfterAsync(ValueTask<T> call, WireTypes types) =>
            Write(await call.ConfigureAwait(false), types);
    }

    /// <summary>Writes what the method returned, as one JSON value.</summary>
    protected abstract void WriteResult(ArgumentWriter writer, T result);

    /// <summary>
    /// Reads what the method returned. Defaults to the way that values of a type of your own are read.
    /// </summary>
    /// <exception cref="JobFormatException">The value does not fit the type.</exception>
    public virtual T ReadResult(ref ArgumentReader a) => a.GetObject<T>();

    byte[] Write(T result, WireTypes types)
    {
        using var buffer = JsonBuffer.Take();
        try
        {
            WriteResult(new(buffer.Writer, types), result);
        }
        catch (Exception e) // any exception: getters and iterators are the task's code
        {
            // Not the exception itself: that would be retried, although the task has succeeded.
            throw new JobFormatException(
                $"Task '{Name}' returned a value that cannot be written: {UnwritableException.Explain(e)}", UnwritableException.CauseOf(e));
        }

        return buffer.ToArray();
    }
}

/// <summary>A parameter of a task that is sent.</summary>
/// <param name="Name">Its name, in C# and in the message.</param>
/// <param name="Type">Its type in C#, for a reader: <c>List&lt;string&gt;?</c>.</param>
/// <param name="IsSensitive">Whether it has a <see cref="SensitiveAttribute"/>.</param>
/// <param name="IsOptional">Whether it has a default.</param>
[EditorBrowsable(EditorBrowsableState.Never)]
public sealed record TaskParameter(string Name, string Type, bool IsSensitive, bool IsOptional);

/// <summary>A schedule written as an attribute on a task method.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public sealed record TaskSchedule
{
    /// <summary>The cron expression, or <see langword="null"/> for a fixed interval.</summary>
    public string? Cron { get; init; }

    /// <summary>The fixed interval, or <see langword="null"/> for a cron expression.</summary>
    public TimeSpan? Every { get; init; }

    /// <summary>The time zone's id, or <see langword="null"/> for UTC.</summary>
    public string? TimeZone { get; init; }

    /// <summary>The name, or <see langword="null"/> for a name made of the task's name.</summary>
    public string? Name { get; init; }

    /// <summary>What happens to missed occurrences.</summary>
    public MisfirePolicy Misfire { get; init; } = MisfirePolicy.Once;
}

/// <summary>
/// The tasks of one class. The generator writes modules, and <see cref="TaskModuleAttribute"/> finds them.
/// </summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public abstract class TaskModule
{
    /// <summary>Registers the class as a scoped service and adds its tasks.</summary>
    public abstract void AddTo(JobsBuilder jobs);
}

/// <summary>Says which module holds the tasks of a class. The generator puts this attribute on the assembly.</summary>
/// <param name="class">The class with task methods.</param>
/// <param name="module">Its <see cref="TaskModule"/>.</param>
[AttributeUsage(AttributeTargets.Assembly, AllowMultiple = true)]
[EditorBrowsable(EditorBrowsableState.Never)]
public sealed class TaskModuleAttribute(
    Type @class,
    [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicParameterlessConstructor)] Type module) : Attribute
{
    /// <summary>The class with task methods.</summary>
    public Type Class { get; } = @class;

    /// <summary>Its <see cref="TaskModule"/>.</summary>
    [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicParameterlessConstructor)]
    public Type Module { get; } = module;
}
