using Jobs.Registry;
using Jobs.Transport;
using Jobs.Wire;

namespace Jobs.Events;

/// <summary>What events say of a job that a worker has received.</summary>
/// <param name="Message">Its message.</param>
/// <param name="Envelope">Its headers; <see langword="null"/> when they cannot be read.</param>
/// <param name="Id">Its id.</param>
/// <param name="Task">The name of its task.</param>
/// <param name="Queue">The queue that it came from.</param>
/// <param name="ReceivedAt">When the worker received it.</param>
/// <param name="Definition">Its task; <see langword="null"/> when this process has no such task.</param>
/// <param name="Rule">Which values are not shown.</param>
readonly record struct JobFacts(
    JobMessage Message, JobEnvelope? Envelope, string Id, string Task, string Queue, DateTimeOffset ReceivedAt, TaskDefinition? Definition, SensitiveRule Rule);

/// <summary>What an event says of a job that was enqueued.</summary>
/// <param name="Outgoing">Its message.</param>
/// <param name="At">When it was enqueued.</param>
/// <param name="Definition">Its task; <see langword="null"/> when this process has no such task.</param>
/// <param name="Rule">Which values are not shown.</param>
readonly record struct SentFacts(Outgoing Outgoing, DateTimeOffset At, TaskDefinition? Definition, SensitiveRule Rule);

/// <summary>An event of a job.</summary>
/// <param name="Job">The job.</param>
/// <param name="IsNew">
/// Nobody was told that the job was received. Then the receiver is told so first: without name and arguments, an event
/// says nothing to a reader.
/// </param>
/// <param name="At">When it happened.</param>
readonly record struct JobEvent(JobFacts Job, bool IsNew, DateTimeOffset At)
{
    /// <summary>What the task returned, as JSON; empty when nobody wanted it.</summary>
    public ReadOnlyMemory<byte> Result { get; init; }

    /// <summary>How long the task ran.</summary>
    public TimeSpan Runtime { get; init; }

    /// <summary>The type of the exception.</summary>
    public string ErrorType { get; init; } = "";

    /// <summary>The message of the exception.</summary>
    public string ErrorMessage { get; init; } = "";

    /// <summary>The stack of the exception; <see langword="null"/> when the task did not throw.</summary>
    public string? Stack { get; init; }
}
