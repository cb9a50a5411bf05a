using Jobs.Wire;
using Jobs.Working;
using Microsoft.Extensions.DependencyInjection;

namespace Jobs;

/// <summary>The job that is running: take it as a parameter of a task method, or read <see cref="Current"/>.</summary>
/// <remarks>
/// The lines that the task logs have a scope with <c>Task</c>, <c>JobId</c>, <c>Attempt</c> and <c>Queue</c>.
/// </remarks>
public sealed class JobContext
{
    static readonly AsyncLocal<JobContext?> current = new();

    readonly Attempt attempt;
    readonly IServiceScopeFactory scopes;
    readonly News news;
    IServiceScope? scope;

    internal JobContext(Attempt attempt, IServiceScopeFactory scopes, News news) => (this.attempt, this.scopes, this.news) = (attempt, scopes, news);

    /// <summary>The job that runs on this asynchronous flow, or <see langword="null"/> outside of a job.</summary>
    public static JobContext? Current
    {
        get => current.Value;
        internal set => current.Value = value;
    }

    /// <summary>
    /// The id of the job. The id is the same on every attempt, so it can be the key of an idempotent effect.
    /// </summary>
    public string Id => Envelope.Id;

    /// <summary>The wire name of the task.</summary>
    public string TaskName => Envelope.Task;

    /// <summary>The queue the job came from.</summary>
    public string Queue => attempt.Delivery.Queue;

    /// <summary>1 on the first run, 2 on the first retry, and so on.</summary>
    public int Attempt => attempt.Number;

    /// <summary>The id of the first job of this tree of jobs.</summary>
    public string RootId => Envelope.RootId ?? Envelope.Id;

    /// <summary>The id of the job that enqueued this job; <see langword="null"/> when no job did.</summary>
    public string? ParentId => Envelope.ParentId;

    /// <summary>All headers that came with the job.</summary>
    public IReadOnlyDictionary<string, object?> Headers => Envelope.Message.Headers;

    /// <summary>
    /// Fires when the worker stops and its drain deadline has passed. A job that ends then spends no attempt.
    /// </summary>
    public CancellationToken CancellationToken => attempt.Cancellation;

    /// <summary>
    /// The services of this attempt. Each attempt has one scope, which is made when somebody first asks for it.
    /// </summary>
    public IServiceProvider Services => (Volatile.Read(ref scope) ?? MakeScope()).ServiceProvider;

    /// <summary>
    /// Tells the caller how much of the job is done, if the caller asked for the job's result: see
    /// <see cref="JobStatus.Progress"/>. A report that cannot be sent does not fail the job.
    /// </summary>
    /// <param name="progress">How much is done, from 0 to 1.</param>
    /// <param name="text">What is done now, for people. Defaults to nothing.</param>
    /// <param name="cancellationToken">Gives the report up.</param>
    /// <exception cref="ArgumentOutOfRangeException">The progress is not from 0 to 1.</exception>
    public Task ReportProgressAsync(double progress, string? text = null, CancellationToken cancellationToken = default) => progress is >= 0 and <= 1
        ? news.ProgressAsync(attempt, progress, text, cancellationToken)
        : throw new ArgumentOutOfRangeException(nameof(progress), progress, "Progress goes from 0 to 1.");

    JobEnvelope Envelope => attempt.Envelope!;

    internal string? TraceParent => Envelope.TraceParent;

    internal string? TraceState => Envelope.TraceState;

    internal ValueTask DisposeScopeAsync() => scope is null ? ValueTask.CompletedTask : new AsyncServiceScope(scope).DisposeAsync();

    // Several threads of one task may get here at the same time. The first scope counts; nobody has used the others
    // yet.
    IServiceScope MakeScope()
    {
        var made = scopes.CreateScope();
        if (Interlocked.CompareExchange(ref scope, made, null) is not { } first)
        {
            return made;
        }

        made.Dispose();
        return first;
    }

    /// <inheritdoc/>
    public override string ToString() => attempt.ToString();
}
