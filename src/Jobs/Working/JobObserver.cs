using System.Diagnostics;
using Jobs.Diagnostics;
using Jobs.Transport;
using Jobs.Wire;
using Microsoft.Extensions.Logging;

namespace Jobs.Working;

/// <summary>
/// Told once of each change of an attempt's state, and passes it on to log, metrics and traces. Nobody else in this
/// folder speaks to them about jobs.
/// </summary>
/// <remarks>Nothing throws through here: logger, metrics, traces and clock each guard themselves against what listens to them.</remarks>
sealed class JobObserver(JobTransport transport, Telemetry telemetry, TimeProvider time, ILogger<JobObserver> logger)
{
    readonly string system = transport.MessagingSystem;
    readonly TimeProvider time = GuardedTime.Of(time);
    readonly ILogger logger = GuardedLogger.Of(logger);

    /// <summary>The worker has the message in its hands.</summary>
    public void Received(Attempt attempt) => telemetry.Consumed(system, Tag(attempt), attempt.Delivery.Queue, attempt.Delivery.DeliveryCount);

    /// <summary>The task begins to run.</summary>
    public RunObservation Started(Attempt attempt, JobContext context)
    {
        var (envelope, queue) = (attempt.Envelope!, attempt.Delivery.Queue);
        return new()
        {
            At = time.GetTimestamp(),
            Activity = StartActivity(attempt, context),
            Scope = logger.BeginScope(new RunScope(context)),
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
        Decided(attempt);
        Traces.End(run.Activity);
    }

    /// <summary>
    /// Ends the logging scope of the run. The executor calls this after the flow of the run has ended: there the scope is out of sight, and ending it
    /// allocates nothing.
    /// </summary>
    public void Left(in RunObservation run) => GuardedLogger.End(run.Scope);

    /// <summary>The outcome is known: of an attempt whose task does not run, as soon as it is decided.</summary>
    public void Decided(Attempt attempt)
    {
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
                Log.Snoozed(logger, task, id, snoozed.Delay);
                break;
            case Outcome.Interrupted:
                Log.Interrupted(logger, task, id);
                break;
        }
    }

    /// <summary>The outcome could not be written: the job is given back, and runs again, unless it was acknowledged before its run.</summary>
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

    /// <summary>The services of a run failed to close; its outcome stands.</summary>
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

    /// <summary>A task that this process does not know is not named: a sender must not be able to make up tag values.</summary>
    static string Tag(Attempt attempt) => attempt.Task?.Name ?? TelemetryNames.UnknownTask;
}

/// <summary>What was begun when a task began to run.</summary>
readonly record struct RunObservation
{
    public Activity? Activity { get; init; }

    public IDisposable? Scope { get; init; }

    /// <summary>The run was counted in, and must be counted out.</summary>
    public bool Counted { get; init; }

    public long At { get; init; }
}
