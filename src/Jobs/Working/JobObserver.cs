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
sealed class JobObserver(JobTransport transport, Telemetry telemetry, TimeProvider time, ILogger<JobObserver> logger)
{
    readonly string system = transport.MessagingSystem;
    readonly Telemetry telemetry = telemetry;
    readonly ILogger logger = logger;

    /// <summary>The worker has the message in its hands.</summary>
    public void Received(Attempt attempt) => Tell(static (observer, attempt) =>
        observer.telemetry.Consumed(observer.system, Tag(attempt), attempt.Delivery.Queue, attempt.Delivery.DeliveryCount), attempt);

    /// <summary>The task begins to run.</summary>
    public RunObservation Started(Attempt attempt, JobContext context)
    {
        var run = new RunObservation { At = time.GetTimestamp() };
        try
        {
            var (envelope, queue) = (attempt.Envelope!, attempt.Delivery.Queue);
            run.Activity = StartActivity(attempt, context);
            run.Scope = logger.BeginScope(context);
            run.Counted = telemetry.Started(Tag(attempt), queue, telemetry.WantsQueueLatency ? PublishTime.Of(envelope) : null, time.GetUtcNow());
        }
        catch (Exception)
        {
            // As in Tell.
        }

        return run;
    }

    /// <summary>The task has run, and its outcome is known.</summary>
    public void Ended(in RunObservation run, Attempt attempt)
    {
        try
        {
            var duration = time.GetElapsedTime(run.At);
            var failure = (attempt.Outcome as Outcome.Retry)?.Failure ?? (attempt.Outcome as Outcome.Dead)?.Failure;
            if (failure is not null)
            {
                Traces.Failed(run.Activity, failure);
            }

            var outcome = failure is not null ? Names.Outcome.Failed : attempt.Outcome is Outcome.Interrupted ? Names.Outcome.Interrupted : Names.Outcome.Succeeded;
            telemetry.Ended(run.Counted, system, Tag(attempt), attempt.Delivery.Queue, duration, outcome, failure is null ? null : Telemetry.ErrorType(failure));
        }
        catch (Exception)
        {
            // As in Tell.
        }

        Decided(attempt);
        try
        {
            run.Activity?.Dispose();
        }
        catch (Exception)
        {
            // As in Tell.
        }
    }

    /// <summary>
    /// Ends the logging scope of the run. The executor calls this after the flow of the run has ended: there the scope is out of sight, and ending it
    /// allocates nothing.
    /// </summary>
    public void Left(in RunObservation run) => Tell(static (_, scope) => scope?.Dispose(), run.Scope);

    /// <summary>The outcome is known: of an attempt whose task does not run, as soon as it is decided.</summary>
    public void Decided(Attempt attempt) => Tell(static (observer, attempt) => observer.Say(attempt), attempt);

    /// <summary>The outcome could not be written: the job is given back, and runs again, unless it was acknowledged before its run.</summary>
    public void SettlementFailed(Delivery delivery, string? id, Exception failure) => Tell(
        static (observer, failed) =>
        {
            if (failed.delivery.HasLeft)
            {
                Log.LostAfterEarlyAck(observer.logger, failed.delivery.Queue, failed.id, failed.failure);
            }
            else
            {
                Log.SettlementFailed(observer.logger, failed.delivery.Queue, failed.id, failed.failure);
            }

            observer.telemetry.SettlementFailed(failed.delivery.Queue);
        },
        (delivery, id, failure));

    /// <summary>The services of a run failed to close; its outcome stands.</summary>
    public void ScopeDisposalFailed(JobContext context, Exception failure) =>
        Tell(static (observer, failed) => Log.ScopeDisposalFailed(observer.logger, failed.context.Task, failed.context.Id, failed.failure), (context, failure));

    void Say(Attempt attempt)
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
            case Outcome.Interrupted:
                Log.Interrupted(logger, task, id);
                break;
        }
    }

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

    /// <summary>Logger and listeners are the user's code: what they throw must change nothing about the job.</summary>
    void Tell<T>(Action<JobObserver, T> tell, T about)
    {
        try
        {
            tell(this, about);
        }
        catch (Exception)
        {
            // There is nobody left to tell.
        }
    }

    /// <summary>A task that this process does not know is not named: a sender must not be able to make up tag values.</summary>
    static string Tag(Attempt attempt) => attempt.Task?.Name ?? Names.UnknownTask;
}

/// <summary>What was begun when a task began to run.</summary>
record struct RunObservation
{
    public Activity? Activity { get; set; }

    public IDisposable? Scope { get; set; }

    /// <summary>The run was counted in, and must be counted out.</summary>
    public bool Counted { get; set; }

    public long At { get; init; }
}
