using Jobs.Diagnostics;
using Jobs.Registry;
using Jobs.Transport;
using Jobs.Wire;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Jobs.Working;

/// <summary>
/// Runs an attempt in its slot, and says what came of it. What the task throws becomes an outcome; only a transport that
/// fails to let a message leave early throws through here. Read it top to bottom.
/// </summary>
/// <remarks>
/// 1. A job that expired while it waited for the slot does not run. 2. The body is taken apart. 3. A task that is acknowledged early leaves its queue now.
/// 4. The task runs with its own scope, logging scope and trace. 5. What the task threw becomes an outcome.
/// </remarks>
sealed class Executor(IOptions<JobsOptions> jobsOptions, IServiceScopeFactory scopes, JobObserver observer, TimeProvider time)
{
    readonly JobsOptions options = jobsOptions.Value;
    readonly TimeProvider time = GuardedTime.Of(time);

    public async ValueTask RunAsync(Attempt attempt)
    {
        var (envelope, task) = (attempt.Envelope!, attempt.Task!);
        if (envelope.Eta - time.GetUtcNow() is { } early && early > TimeSpan.Zero)
        {
            // Not longer than Intake lets pass: the clock may have been set back meanwhile.
            await Task.Delay(early < Intake.WaitedForInSlot ? early : Intake.WaitedForInSlot, time, CancellationToken.None).ConfigureAwait(false);
        }

        var outcome = WithoutRun(attempt, envelope, out var body);
        if (outcome is null && task.AckEarly && !await attempt.Delivery.LeaveEarlyAsync().ConfigureAwait(false))
        {
            outcome = Outcome.Interrupted.Instance; // it comes again
        }

        if (outcome is not null)
        {
            attempt.Outcome = outcome;
            observer.Decided(attempt);
            return;
        }

        var run = await RunOnceAsync(attempt, envelope, task, body).ConfigureAwait(false);
        observer.Left(run);
    }

    Outcome? WithoutRun(Attempt attempt, JobEnvelope envelope, out JobBody body)
    {
        body = default;
        if (attempt.Cause != CancelCause.None)
        {
            return Outcome.Interrupted.Instance;
        }

        if (Intake.Expired(attempt, envelope, time.GetUtcNow()) is { } expired)
        {
            return expired;
        }

        try
        {
            body = JobBody.Read(envelope.Message.Body);
            return body.Asks() is not { } asked ? null : Outcome.Dead.Of(
                attempt, $"It asks for '{asked}', which this version does not carry out: what is to follow the task would never run.", TelemetryNames.Error.Unsupported, null, time.GetUtcNow());
        }
        catch (JobFormatException e)
        {
            return Dead(attempt, e.Message, e);
        }
    }

    async ValueTask<RunObservation> RunOnceAsync(Attempt attempt, JobEnvelope envelope, TaskDefinition task, JobBody body)
    {
        var context = new JobContext(attempt, scopes);
        JobContext.Current = context; // undone by the end of this async method, as AsyncLocal values are
        var run = observer.Started(attempt, context);
        try
        {
            if (attempt.WantsResult)
            {
                attempt.Outcome = new Outcome.Succeeded(await InvokeForResult(task, context, body).ConfigureAwait(false));
            }
            else
            {
                await Invoke(task, context, body).ConfigureAwait(false);
                attempt.Outcome = Outcome.Succeeded.WithoutResult;
            }
        }
        catch (Exception e) when (attempt.Cause == CancelCause.Stop && !task.AckEarly && Thrown.Steering(e) is not (DeadJobException or SnoozeJobException))
        {
            // Whatever else was thrown: drivers have exceptions of their own for a cancelled call. The job runs again, and fails again if it must.
            attempt.Outcome = Outcome.Interrupted.Instance;
        }
        catch (Exception e)
        {
            attempt.Outcome = Failed(attempt, envelope, task, e);
        }

        observer.Ended(run, attempt);
        await DisposeScopeAsync(context).ConfigureAwait(false);
        return run;
    }

    // Not async, because the reader is a ref struct.
    ValueTask Invoke(TaskDefinition task, JobContext context, in JobBody body)
    {
        var arguments = new ArgumentReader(task.Name, body.Arguments.Span, body.Keywords.Span, default, options.Types);
        return task.InvokeAsync(context, ref arguments);
    }

    ValueTask<ReadOnlyMemory<byte>> InvokeForResult(TaskDefinition task, JobContext context, in JobBody body)
    {
        var arguments = new ArgumentReader(task.Name, body.Arguments.Span, body.Keywords.Span, default, options.Types);
        return task.InvokeForResultAsync(context, ref arguments);
    }

    Outcome Failed(Attempt attempt, JobEnvelope envelope, TaskDefinition task, Exception e)
    {
        var maxRetries = task.MaxRetries ?? options.MaxRetries;
        var (steering, message) = (Thrown.Steering(e), ExceptionText.Message(e));
        switch (steering)
        {
            case JobFormatException or DeadJobException:
                return Dead(attempt, steering.Message, e);
            case SnoozeJobException snooze:
                return Snoozed(attempt, envelope, snooze.Delay, e);
            case not RetryJobException when Thrown.Of(task.NoRetryOn, e) is { } final:
                return Dead(attempt, $"Its task does not retry {final.GetType()} (NoRetryOn). {message}", e);
            case var _ when task.AckEarly && attempt.Cause == CancelCause.Stop:
                return Dead(attempt, $"Its worker stopped under it, and it is acknowledged early: at most once. {message}", e);
            case var _ when task.AckEarly:
                return Dead(attempt, $"It failed, and is acknowledged early: at most once. {message}", e);
            case var _ when envelope.Retries >= maxRetries:
                return Dead(attempt, $"It failed {attempt.Number} times (MaxRetries is {maxRetries}). {message}", e);
        }

        var delay = (steering as RetryJobException)?.After
            ?? RetryPolicy.Delay(envelope.Retries, task.RetryDelay ?? options.RetryDelay, task.MaxRetryDelay ?? options.MaxRetryDelay, options.Random.NextDouble());
        delay = Bounded(delay);
        var eta = time.GetUtcNow() + delay;
        return envelope.Expires <= eta
            ? Dead(attempt, $"It failed, and expires at {envelope.Expires:u}, before its next attempt at {eta:u}. {message}", e)
            : new Outcome.Retry(delay, eta, maxRetries, e);
    }

    Outcome Snoozed(Attempt attempt, JobEnvelope envelope, TimeSpan delay, Exception e)
    {
        delay = Bounded(delay);
        var eta = time.GetUtcNow() + delay;
        return envelope.Expires <= eta
            ? Dead(attempt, $"Its task asked to be run again at {eta:u}, and it expires at {envelope.Expires:u}. {ExceptionText.Message(e)}", e)
            : new Outcome.Postponed(delay, eta);
    }

    static TimeSpan Bounded(TimeSpan delay) => delay < TimeSpan.Zero ? TimeSpan.Zero : delay > Outgoing.MaxDelay ? Outgoing.MaxDelay : delay;

    Outcome.Dead Dead(Attempt attempt, string reason, Exception e) => Outcome.Dead.Of(attempt, reason, Telemetry.ErrorType(e), e, time.GetUtcNow());

    // The job has run; what its scope throws while it is torn down must not run it again.
    async ValueTask DisposeScopeAsync(JobContext context)
    {
        try
        {
            await context.DisposeScopeAsync().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            observer.ScopeDisposalFailed(context, e);
        }
    }
}
