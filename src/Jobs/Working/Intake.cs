using Jobs.Diagnostics;
using Jobs.Registry;
using Jobs.Transport;
using Jobs.Wire;
using Microsoft.Extensions.Options;

namespace Jobs.Working;

/// <summary>
/// Looks at each delivery before it gets a slot, so that a job that will not run does not hold up the others. The
/// intake reads headers only, and never waits.
/// </summary>
sealed class Intake(TaskRegistry tasks, IOptions<JobsOptions> jobsOptions, IOptions<WorkerOptions> workerOptions, JobObserver observer, TimeProvider time)
{
    /// <summary>
    /// A job that comes at most this much too early takes a slot, and waits in the slot for its time. The transport's
    /// delays are not exact: sending the job through a delay again would take longer.
    /// </summary>
    public static TimeSpan WaitedForInSlot { get; } = TimeSpan.FromMilliseconds(100);

    readonly TimeProvider time = GuardedTime.Of(time);
    readonly Random random = jobsOptions.Value.Random;
    readonly int maxDeliveries = workerOptions.Value.MaxDeliveries;

    /// <returns>An attempt; when its outcome is decided already, the job does not run.</returns>
    public Attempt Admit(Delivery delivery)
    {
        var now = time.GetUtcNow();
        var attempt = Read(delivery, now, out var malformed);
        observer.Received(attempt);
        attempt.Outcome = malformed is not null
            ? Dead(attempt, malformed.Message, TelemetryNames.Error.Malformed, malformed)
            : WithoutRun(attempt, attempt.Envelope!, now);
        if (attempt.Outcome is not null)
        {
            observer.Decided(attempt);
        }

        return attempt;
    }

    /// <summary>
    /// The outcome of an expired job; <see langword="null"/> for any other job. The executor asks again in the slot,
    /// because the job may have waited for the slot. An expired job that has failed before becomes a dead letter, and
    /// is not dropped: somebody may have seen the job begin, and must be able to find out how it ended.
    /// </summary>
    public static Outcome? Expired(Attempt attempt, JobEnvelope envelope, DateTimeOffset now)
    {
        if (envelope.Expires is not { } expires || expires > now)
        {
            return null;
        }

        return envelope.Retries == 0
            ? new Outcome.Expired(expires, now)
            : Outcome.Dead.Of(
                attempt,
                $"It failed {Executor.Times(envelope.Retries)}, and expired at {expires:u} before it could run again.",
                TelemetryNames.Error.Expired,
                null,
                now);
    }

    Attempt Read(Delivery delivery, DateTimeOffset now, out JobFormatException? malformed)
    {
        malformed = null;
        try
        {
            var envelope = JobEnvelope.Read(delivery.Message);
            return new(delivery, random.Next(), now.UtcTicks) { Envelope = envelope, Task = tasks.Find(envelope.Task) };
        }
        catch (JobFormatException e)
        {
            malformed = e;
            return new(delivery, random.Next(), now.UtcTicks);
        }
    }

    Outcome? WithoutRun(Attempt attempt, JobEnvelope envelope, DateTimeOffset now)
    {
        var delivery = attempt.Delivery;
        if (delivery.IsQuarantined && delivery.DeliveryCount >= maxDeliveries)
        {
            return Dead(attempt, $"It was delivered {delivery.DeliveryCount} times and never settled; each time its worker died or was cut off "
                + $"(MaxDeliveries is {maxDeliveries}).", TelemetryNames.Error.MaxDeliveries);
        }

        if (attempt.Task is null)
        {
            return Dead(attempt, $"This worker has no task '{envelope.Task}'. Add its class with AddTasks, keep a renamed task's old name in Aliases, "
                + $"or send it to another queue than '{delivery.Queue}'.", TelemetryNames.Error.UnknownTask);
        }

        if (Expired(attempt, envelope, now) is { } expired)
        {
            return expired;
        }

        return envelope.Eta - now is { } early && early > WaitedForInSlot
            ? new Outcome.Postponed(early < Outgoing.MaxDelay ? early : Outgoing.MaxDelay)
            : null;
    }

    Outcome.Dead Dead(Attempt attempt, string reason, string error, Exception? failure = null) =>
        Outcome.Dead.Of(attempt, reason, error, failure, time.GetUtcNow());
}
