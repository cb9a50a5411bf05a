using System.Diagnostics;
using Jobs.Diagnostics;
using Jobs.Transport;
using Jobs.Wire;
using Microsoft.Extensions.Logging;

namespace Jobs.Working;

/// <summary>
/// Hears once of each change of an attempt's state, and reports the change to log, metrics, traces and events. No other
/// class in this folder reports jobs to them.
/// </summary>
/// <remarks>No method throws: logger, metrics, traces and clock each catch the exceptions of their listeners.</remarks>
sealed class JobObserver(JobTransport transport, Telemetry telemetry, JobEvents events, TimeProvider time, ILogger<JobObserver> logger)
{
    readonly string system = transport.MessagingSystem;
    readonly TimeProvider time = GuardedTime.Of(time);
    readonly ILogger logger = GuardedLogger.Of(logger);

    /// <summary>The worker has taken the delivery.</summary>
    public void Received(Attempt attempt)
    {
        telemetry.Consumed(system, Tag(attempt), attempt.Delivery.Queue, attempt.Delivery.DeliveryCount);
        events.Received(attempt);
    }

    /// <summary>The task begins to run.</summary>
    public RunObservation Started(Attempt attempt, JobContext context)
    {
        var (envelope, queue) = (attempt.Envelope!, attempt.Delivery.Queue);
        events.Started(attempt);
        var activity = StartActivity(attempt, context);
        if (attempt.After is { } after && activity is { IdFormat: ActivityIdFormat.W3C })
        {
            after.TraceParent = activity.Id;
        }

        return new()
        {
            At = time.GetTimestamp(),
            Activity = activity,
            Scope = logger.BeginScope(attempt),
            Counted = telemetry.Started(Tag(attempt), queue, telemetry.WantsQueueLatency ? PublishTime.Of(envelope) : null, time.GetUtcNow()),
        };
    }

    /// <summary>The task has run, and its outcome is known.</summary>
    public void Ended(in RunObservation run, Attempt attempt)
    {
        var duration = time.GetElapsedTime(run.At);
        var failure = (attempt.Outcome as Outcome.Retry)?.Failure ?? (attempt.Outcome as Outcome.Dead)?.Failure;
        if (failure is not null)
        {
            Traces.Failed(run.Activity, failure);
        }

        var outcome = attempt.Outcome switch
        {
            _ when failure is not null => TelemetryNames.Outcome.Failed,
            Outcome.Interrupted => TelemetryNames.Outcome.Interrupted,
            Outcome.Postponed => TelemetryNames.Outcome.Snoozed,
            _ => TelemetryNames.Outcome.Succeeded,
        };
        telemetry.Ended(run.Counted, system, Tag(attempt), attempt.Delivery.Queue, duration, outcome, failure is null ? null : Telemetry.ErrorType(failure));
        Decided(attempt, duration);
        Traces.End(run.Activity);
    }

    /// <summary>
    /// Ends the logging scope of the run. The executor calls this after the asynchronous flow of the run has ended:
    /// outside that flow, ending the scope allocates nothing.
    /// </summary>
    public void Left(in RunObservation run) => GuardedLogger.End(run.Scope);

    /// <summary>
    /// The outcome is decided. For an attempt whose task does not run, the intake or the executor calls this at once.
    /// </summary>
    public void Decided(Attempt attempt) => Decided(attempt, TimeSpan.Zero);

    void Decided(Attempt attempt, TimeSpan runtime)
    {
        events.Decided(attempt, runtime);
        var (task, id, queue) = (attempt.TaskName, attempt.Id, attempt.Delivery.Queue);
        switch (attempt.Outcome)
        {
            case Outcome.Succeeded:
                Log.Succeeded(logger, task, id);
                break;
            case Outcome.Retry retry:
                telemetry.Retried(Tag(attempt), queue, Telemetry.ErrorType(retry.Failure));
                Log.Retrying(logger, task, id, attempt.Number, retry.MaxRetries, retry.Delay, retry.Failure);
                break;
            case Outcome.Dead dead:
                telemetry.Died(Tag(attempt), queue, dead.Error);
                Log.Dead(logger, task, id, queue, dead.Letter.Reason, dead.Failure);
                break;
            case Outcome.Expired expired:
                telemetry.Expired(Tag(attempt), queue);
                Log.Expired(logger, task, id, expired.At);
                break;
            case Outcome.Postponed { Eta: not null } snoozed:
                Log.Snoozed(logger, task, id, snoozed.Delay, snoozed.Why);
                break;
            case Outcome.Interrupted:
                Log.Interrupted(logger, task, id);
                break;
        }
    }

    /// <summary>
    /// The outcome could not be written. The worker gives the job back, and the job runs again, unless it was
    /// acknowledged before its run.
    /// </summary>
    public void SettlementFailed(Delivery delivery, string? id, Exception failure)
    {
        if (delivery.HasLeft)
        {
            Log.LostAfterEarlyAck(logger, delivery.Queue, id, failure);
        }
        else
        {
            Log.SettlementFailed(logger, delivery.Queue, id, failure);
        }

        telemetry.SettlementFailed(delivery.Queue);
    }

    /// <summary>The disposal of a run's services failed; the outcome of the run stands.</summary>
    public void ScopeDisposalFailed(JobContext context, Exception failure) => Log.ScopeDisposalFailed(logger, context.TaskName, context.Id, failure);

    Activity? StartActivity(Attempt attempt, JobContext context)
    {
        var envelope = attempt.Envelope!;
        return Traces.StartProcess(new()
        {
            System = system,
            Queue = attempt.Delivery.Queue,
            Task = envelope.Task,
            Id = envelope.Id,
            RootId = context.RootId,
            Attempt = attempt.Number,
            BodySize = attempt.Message.Body.Length,
            TraceParent = envelope.TraceParent,
            TraceState = envelope.TraceState,
            Waited = envelope.Eta is not null || envelope.Retries > 0 || envelope.Schedule is not null,
        });
    }

    /// <summary>
    /// The name of the task for metrics. Unknown tasks share one name: a sender must not be able to make up tag values.
    /// </summary>
    static string Tag(Attempt attempt) => attempt.Task?.Name ?? TelemetryNames.UnknownTask;
}

/// <summary>What the observer began when the task began to run.</summary>
readonly record struct RunObservation
{
    public Activity? Activity { get; init; }

    public IDisposable? Scope { get; init; }

    /// <summary>The run was added to the active jobs, and must be subtracted at its end.</summary>
    public bool Counted { get; init; }

    public long At { get; init; }
}
