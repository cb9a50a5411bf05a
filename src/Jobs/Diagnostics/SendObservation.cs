using System.Diagnostics;

namespace Jobs.Diagnostics;

/// <summary>Feeds metrics and traces with the sending of one job. Each observation begins once and ends once.</summary>
sealed class SendObservation
{
    readonly Telemetry telemetry;
    readonly TimeProvider time;
    readonly SentJob job;
    readonly Activity? span;
    readonly long started;

    SendObservation(Telemetry telemetry, TimeProvider time, in SentJob job, Activity? span) =>
        (this.telemetry, this.time, this.job, this.span, started) = (telemetry, time, job, span, time.GetTimestamp());

    /// <summary>Call this before the job is published. The current activity stays as it was.</summary>
    /// <param name="telemetry">The host's metrics.</param>
    /// <param name="time">The host's clock.</param>
    /// <param name="job">The job.</param>
    /// <param name="trace">The trace to send with the job; without a parent when there is no trace.</param>
    /// <returns><see langword="null"/> when nobody listens: then the observation costs nothing.</returns>
    public static SendObservation? Begin(Telemetry telemetry, TimeProvider time, in SentJob job, out TraceHeaders trace)
    {
        var span = Traces.StartSend(job);
        trace = TraceHeaders.Of(span ?? (job.IsScheduled ? null : Activity.Current));
        return span is not null || telemetry.WantsSent ? new(telemetry, time, job, span) : null;
    }

    /// <summary>Call this when the job is enqueued or, with an exception, when the enqueue has failed.</summary>
    public void End(Exception? e = null)
    {
        if (e is not null)
        {
            Traces.Failed(span, e);
        }

        Traces.End(span);
        telemetry.Sent(job.System, job.Task, job.Queue, time.GetElapsedTime(started), e is null ? null : Telemetry.ErrorType(e));
    }
}

/// <summary>The facts about a job on its way that metrics and traces show.</summary>
/// <param name="System">The transport's name.</param>
/// <param name="Task">The task.</param>
/// <param name="Id">The id of the job.</param>
/// <param name="RootId">The id of the first job of its tree.</param>
/// <param name="Queue">The queue that the job goes to.</param>
/// <param name="BodySize">The size of the body, in bytes.</param>
/// <param name="IsScheduled">
/// A schedule fired the job. Such a job belongs to no trace, whatever trace the host was started in.
/// </param>
readonly record struct SentJob(string System, string Task, string Id, string RootId, string Queue, int BodySize, bool IsScheduled);

/// <summary>W3C trace context, as it travels.</summary>
readonly record struct TraceHeaders(string? Parent, string? State)
{
    public static TraceHeaders Of(Activity? activity) => activity is { IdFormat: ActivityIdFormat.W3C } ? new(activity.Id, activity.TraceStateString) : default;
}
