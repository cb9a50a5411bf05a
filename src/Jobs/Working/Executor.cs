using Jobs.Diagnostics;
using Jobs.Registry;
using Jobs.Transport;
using Jobs.Wire;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Jobs.Working;

/// <summary>
/// Runs an attempt in its slot, and decides the outcome. An exception of the task becomes an outcome; the executor
/// itself throws only when the transport fails to acknowledge a job early.
/// </summary>
/// <remarks>
/// 1. A job that expired while it waited for the slot does not run.
/// 2. The body is split into arguments, keyword arguments and embed.
/// 3. When the task has <c>AckEarly</c>, the message leaves its queue now.
/// 4. The task runs with its own service scope, logging scope and trace.
/// 5. An exception of the task becomes an outcome.
/// </remarks>
sealed class Executor(IOptions<JobsOptions> jobsOptions, IServiceScopeFactory scopes, JobObserver observer, News news, TimeProvider time)
{
    readonly JobsOptions options = jobsOptions.Value;
    readonly TimeProvider time = GuardedTime.Of(time);

    public async ValueTask RunAsync(Attempt attempt)
    {
        var (envelope, task) = (attempt.Envelope!, attempt.Task!);
        if (envelope.Eta - time.GetUtcNow() is { } early && early > TimeSpan.Zero)
        {
            // At most the time that Intake lets pass: somebody may have set the clock back meanwhile.
            await Task.Delay(early < Intake.WaitedForInSlot ? early : Intake.WaitedForInSlot, time, CancellationToken.None).ConfigureAwait(false);
        }

        var outcome = WithoutRun(attempt, envelope, out var body);
        if (outcome is null && task.AckEarly && !await attempt.Delivery.LeaveEarlyAsync().ConfigureAwait(false))
        {
            outcome = Outcome.Interrupted.Instance; // the broker delivers the message again
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
            body = JobBody.Read(envelope.Message.PlainBody);
        }
        catch (JobFormatException e)
        {
            return Dead(attempt, e.Message, e);
        }

        try
        {
            var embed = Embed.Read(body.Embed);
            attempt.After = embed is null && !attempt.WantsResult ? null : new() { Embed = embed };
            return null;
        }
        catch (JobFormatException e)
        {
            // The jobs that shall follow would never run, so the job must not run as if it asked for nothing.
            return Outcome.Dead.Of(attempt, e.Message, TelemetryNames.Error.Unsupported, null, time.GetUtcNow());
        }
    }

    async ValueTask<RunObservation> RunOnceAsync(Attempt attempt, JobEnvelope envelope, TaskDefinition task, JobBody body)
    {
        var context = new JobContext(attempt, scopes, news);
        JobContext.Current = context; // an AsyncLocal: its value is restored when this async method returns
        var run = observer.Started(attempt, context);
        try
        {
            if (attempt.After is not null)
            {
                news.Started(attempt);
            }

            if (attempt.NeedsValue)
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
            // Any other exception, because drivers have exceptions of their own for a cancelled call. The job runs
            // again, and if the exception has another cause, the job fails then.
            attempt.Outcome = Outcome.Interrupted.Instance;
        }
        catch (Exception e)
        {
            attempt.Outcome = Failed(attempt, envelope, task, e);
        }

        if (attempt.After is not null)
        {
            news.Ended(attempt);
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
        var policy = RetryPolicy.Of(task, options);
        var (steering, message) = (Thrown.Steering(e), ExceptionText.Message(e));
        switch (steering)
        {
            case JobFormatException or DeadJobException:
                return Dead(attempt, steering.Message, e);
            case SnoozeJobException snooze:
                return Snoozed(attempt, envelope, snooze);
            case not RetryJobException when Thrown.Of(task.NoRetryOn, e) is { } final:
                return Dead(attempt, $"It failed with {final.GetType()}, which its task does not retry (NoRetryOn). {message}", e);
            case var _ when task.AckEarly && attempt.Cause == CancelCause.Stop:
                return Dead(attempt, $"Its worker stopped while it ran, and its task has AckEarly: it runs at most once. {message}", e);
            case var _ when task.AckEarly:
                return Dead(attempt, $"It failed, and its task has AckEarly: it runs at most once. {message}", e);
            case var _ when envelope.Retries >= policy.MaxRetries:
                return Dead(attempt, $"It failed {Times(attempt.Number)} (MaxRetries is {policy.MaxRetries}). {message}", e);
        }

        var delay = Bounded((steering as RetryJobException)?.After ?? policy.Delay(envelope.Retries, options.Random.NextDouble()));
        var eta = time.GetUtcNow() + delay;
        return envelope.Expires <= eta
            ? Dead(attempt, $"It failed, and expires at {envelope.Expires:u}, before its next attempt at {eta:u}. {message}", e)
            : new Outcome.Retry(delay, eta, policy.MaxRetries, e);
    }

    Outcome Snoozed(Attempt attempt, JobEnvelope envelope, SnoozeJobException e)
    {
        var delay = Bounded(e.Delay);
        var eta = time.GetUtcNow() + delay;
        return envelope.Expires <= eta
            ? Dead(attempt, $"Its task asked to be run again at {eta:u}, and it expires at {envelope.Expires:u}. {ExceptionText.Message(e)}", e)
            : new Outcome.Postponed(delay, eta, e.Message);
    }

    /// <summary>A number of failures in words.</summary>
    public static string Times(int number) => number == 1 ? "once" : $"{number} times";

    static TimeSpan Bounded(TimeSpan delay) => delay < TimeSpan.Zero ? TimeSpan.Zero : delay > Outgoing.MaxDelay ? Outgoing.MaxDelay : delay;

    Outcome.Dead Dead(Attempt attempt, string reason, Exception e) => Outcome.Dead.Of(attempt, reason, Telemetry.ErrorType(e), e, time.GetUtcNow());

    // The job has run: an exception from the disposal of its scope must not run the job again.
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
