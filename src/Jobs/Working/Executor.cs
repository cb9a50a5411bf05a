using Jobs.Diagnostics;
using Jobs.Registry;
using Jobs.Transport;
using Jobs.Wire;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs.Working;

/// <summary>One attempt of one job, from bytes to outcome. Read it top to bottom.</summary>
/// <remarks>
/// 1. What cannot be read, was handed out too often, or has no task here is dead. 2. What expired is revoked; what is early goes back into the
/// transport's delay. 3. The task runs with its own scope, logging scope and trace. 4. What it threw becomes an outcome. Nothing is thrown.
/// </remarks>
sealed class Executor(
    JobTransport transport,
    TaskRegistry tasks,
    IOptions<JobsOptions> jobsOptions,
    IOptions<WorkerOptions> workerOptions,
    IServiceScopeFactory scopes,
    TimeProvider time,
    Telemetry telemetry,
    ILogger<Executor> logger)
{
    // The transport's delays have a granularity; what is left of one is shorter than a trip through it.
    static readonly TimeSpan heldHere = TimeSpan.FromMilliseconds(100);

    readonly JobsOptions options = jobsOptions.Value;
    readonly int maxDeliveries = workerOptions.Value.MaxDeliveries;
    readonly string system = transport.MessagingSystem;

    public async ValueTask<Outcome> ExecuteAsync(Delivery delivery, CancellationToken interrupt)
    {
        JobEnvelope envelope;
        try
        {
            envelope = JobEnvelope.Read(delivery.Message);
        }
        catch (JobFormatException e)
        {
            telemetry.Consumed(system, Names.UnknownTask, delivery.Queue, delivery.DeliveryCount);
            return Dead(delivery, null, null, e.Message, e, Names.Error.Malformed);
        }

        var task = tasks.Find(envelope.Task);
        telemetry.Consumed(system, task?.Name ?? Names.UnknownTask, delivery.Queue, delivery.DeliveryCount);
        if (delivery.DeliveryCount >= maxDeliveries)
        {
            return Dead(delivery, envelope, task, $"It was delivered {delivery.DeliveryCount} times without coming to an end; each time its worker died or was cut off (MaxDeliveries is {maxDeliveries}).", null, Names.Error.MaxDeliveries);
        }

        if (task is null)
        {
            return Dead(delivery, envelope, null, $"This worker has no task '{envelope.Task}'. Add its class with AddTasks, keep a renamed task's old name in Aliases, or send it to another queue than '{delivery.Queue}'.", null, Names.Error.UnknownTask);
        }

        if (envelope.Expires is { } expires && expires <= time.GetUtcNow())
        {
            Log.Expired(logger, envelope.Task, envelope.Id, expires);
            telemetry.Expired(task.Name, delivery.Queue);
            return Outcome.Revoked.Instance;
        }

        if (envelope.Eta is { } eta && eta - time.GetUtcNow() is var early && early > TimeSpan.Zero)
        {
            if (early > heldHere)
            {
                return new Outcome.Retry(delivery.Message.Copy(Random.Shared.Next()), early < JobDispatcher.MaxDelay ? early : JobDispatcher.MaxDelay);
            }

            await Task.Delay(early, time, CancellationToken.None).ConfigureAwait(false);
        }

        if (interrupt.IsCancellationRequested)
        {
            return Outcome.Interrupted.Instance;
        }

        if (task.AckEarly && !await delivery.LeaveEarlyAsync().ConfigureAwait(false))
        {
            return Outcome.Interrupted.Instance;
        }

        return await RunAsync(delivery, envelope, task, interrupt).ConfigureAwait(false);
    }

    async ValueTask<Outcome> RunAsync(Delivery delivery, JobEnvelope envelope, TaskDefinition task, CancellationToken interrupt)
    {
        var context = new JobContext(envelope, delivery.Queue, scopes, interrupt);
        JobContext.Current = context; // undone by the end of this async method, as AsyncLocal values are
        using var activity = Traces.StartProcess(system, envelope, delivery.Queue);
        using var scope = logger.BeginScope(context);
        var active = telemetry.Started(task.Name, delivery.Queue, telemetry.WantsQueueLatency ? PublishTime.Of(envelope) : null, time.GetUtcNow());
        var started = time.GetTimestamp();
        var (outcome, error) = (Names.Outcome.Succeeded, (string?)null);
        try
        {
            await Invoke(task, context, envelope.Body).ConfigureAwait(false);
            Log.Succeeded(logger, envelope.Task, envelope.Id);
            return Outcome.Succeeded.Instance;
        }
        catch (OperationCanceledException) when (interrupt.IsCancellationRequested)
        {
            Log.Interrupted(logger, envelope.Task, envelope.Id);
            outcome = Names.Outcome.Interrupted;
            return Outcome.Interrupted.Instance;
        }
        catch (Exception e)
        {
            Traces.Failed(activity, e);
            (outcome, error) = (Names.Outcome.Failed, Telemetry.ErrorType(e));
            return Failed(delivery, envelope, task, e);
        }
        finally
        {
            telemetry.Ended(active, system, task.Name, delivery.Queue, time.GetElapsedTime(started), outcome, error);
            await DisposeScopeAsync(context).ConfigureAwait(false);
        }
    }

    // Not async, because the reader is a ref struct.
    ValueTask Invoke(TaskDefinition task, JobContext context, in JobBody body)
    {
        var arguments = new ArgumentReader(task.Name, body.Arguments.Span, body.Keywords.Span, default, options.Json);
        return task.InvokeAsync(context, ref arguments);
    }

    Outcome Failed(Delivery delivery, JobEnvelope envelope, TaskDefinition task, Exception e)
    {
        var maxRetries = task.MaxRetries ?? options.MaxRetries;
        switch (e)
        {
            case JobFormatException or DeadJobException:
                return Dead(delivery, envelope, task, e.Message, e, Telemetry.ErrorType(e));
            case var _ when task.AckEarly:
                return Dead(delivery, envelope, task, $"It failed, and is acknowledged early: at most once. {e.Message}", e, Telemetry.ErrorType(e));
            case var _ when envelope.Retries >= maxRetries:
                return Dead(delivery, envelope, task, $"It failed {envelope.Retries + 1} times (MaxRetries is {maxRetries}). {e.Message}", e, Telemetry.ErrorType(e));
        }

        var delay = (e as RetryJobException)?.After
            ?? RetryPolicy.Delay(envelope.Retries, task.RetryDelay ?? options.RetryDelay, task.MaxRetryDelay ?? options.MaxRetryDelay, Random.Shared.NextDouble());
        delay = delay < TimeSpan.Zero ? TimeSpan.Zero : delay > JobDispatcher.MaxDelay ? JobDispatcher.MaxDelay : delay;
        Log.Retrying(logger, envelope.Task, envelope.Id, envelope.Retries + 1, maxRetries, delay, e);
        telemetry.Retried(task.Name, delivery.Queue, Telemetry.ErrorType(e));
        return new Outcome.Retry(envelope.Retry(time.GetUtcNow() + delay, Random.Shared.Next()), delay);
    }

    Outcome Dead(Delivery delivery, JobEnvelope? envelope, TaskDefinition? task, string reason, Exception? e, string error)
    {
        telemetry.Died(task?.Name ?? Names.UnknownTask, delivery.Queue, error);
        Log.Dead(logger, envelope?.Task ?? "?", envelope?.Id ?? delivery.Message.CorrelationId ?? "?", delivery.Queue, reason, e);
        var letter = new DeadLetter { Reason = reason, At = time.GetUtcNow(), Queue = delivery.Queue, Attempts = envelope is null ? 0 : envelope.Retries + 1 };
        return new Outcome.Dead(letter.Of(e));
    }

    // The job has run; what its scope throws while it is torn down must not run it again.
    async ValueTask DisposeScopeAsync(JobContext context)
    {
        try
        {
            await context.DisposeScopeAsync().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            Log.ScopeDisposalFailed(logger, context.Task, context.Id, e);
        }
    }
}
