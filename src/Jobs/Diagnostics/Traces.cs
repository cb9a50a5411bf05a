using System.Diagnostics;

namespace Jobs.Diagnostics;

/// <summary>
/// Spans, after OpenTelemetry's messaging conventions: <c>send {queue}</c> and <c>process {queue}</c>.
/// </summary>
/// <remarks>
/// The process span of a job that runs at once is a child of its send span. A job that waited (delayed, a retry, or
/// fired by a schedule) begins a trace of its own, with a link to the send span: a trace that stays open for hours is
/// of no use, and all jobs of a beat would hang on one trace.
/// <para>Samplers and listeners are user code. Where one throws, there is no span, and the job goes on.</para>
/// </remarks>
static class Traces
{
    static readonly ActivitySource? source = Source(TelemetryNames.Source, TelemetryNames.Version);

    /// <summary>Makes a source; <see langword="null"/> when a listener throws as it hears of the source.</summary>
    public static ActivitySource? Source(string name, string? version = "")
    {
        try
        {
            return new(name, version);
        }
        catch (Exception)
        {
            return null;
        }
    }

    /// <summary>Starts the span of a job that is sent. The span does not become the current activity.</summary>
    public static Activity? StartSend(in SentJob job)
    {
        if (source?.HasListeners() != true)
        {
            return null;
        }

        var caller = Activity.Current;
        try
        {
            if (job.IsScheduled)
            {
                Activity.Current = null; // the beat fires outside any trace
            }

            return source.StartActivity(ActivityKind.Producer, tags: Tags(job.System, TelemetryNames.Operation.Send, job.Queue), name: $"send {job.Queue}")?
                .SetTag(TelemetryNames.Tag.MessageId, job.Id)
                .SetTag(TelemetryNames.Tag.ConversationId, job.RootId)
                .SetTag(TelemetryNames.Tag.Task, job.Task)
                .SetTag(TelemetryNames.Tag.BodySize, job.BodySize);
        }
        catch (Exception)
        {
            return null;
        }
        finally
        {
            Restore(caller); // the next job of many is not a child of this one
        }
    }

    public static Activity? StartProcess(in RunningJob job)
    {
        if (source?.HasListeners() != true)
        {
            return null;
        }

        try
        {
            _ = ActivityContext.TryParse(job.TraceParent, job.TraceState, isRemote: true, out var sender);
            var tags = Tags(job.System, TelemetryNames.Operation.Process, job.Queue);
            var activity = job.Waited
                ? source.StartActivity(ActivityKind.Consumer, default, tags, sender == default ? null : [new(sender)], name: $"process {job.Queue}")
                : source.StartActivity(ActivityKind.Consumer, sender, tags, name: $"process {job.Queue}");
            if (activity is { IsAllDataRequested: true })
            {
                activity
                    .SetTag(TelemetryNames.Tag.MessageId, job.Id)
                    .SetTag(TelemetryNames.Tag.ConversationId, job.RootId)
                    .SetTag(TelemetryNames.Tag.BodySize, job.BodySize)
                    .SetTag(TelemetryNames.Tag.Task, job.Task)
                    .SetTag(TelemetryNames.Tag.Attempt, job.Attempt);
            }

            return activity;
        }
        catch (Exception)
        {
            return null;
        }
    }

    /// <summary>Marks a span as failed with an exception.</summary>
    public static void Failed(Activity? activity, Exception e) =>
        activity?.SetStatus(ActivityStatusCode.Error, ExceptionText.Message(e)).SetTag(TelemetryNames.Tag.Error, Telemetry.ErrorType(e));

    /// <summary>Ends a span.</summary>
    public static void End(Activity? activity)
    {
        try
        {
            activity?.Dispose();
        }
        catch (Exception)
        {
            // There is nobody to tell.
        }
    }

    /// <summary>Makes an activity the current one again.</summary>
    public static void Restore(Activity? current)
    {
        try
        {
            Activity.Current = current;
        }
        catch (Exception)
        {
            // A listener to changes of the current activity threw; the activity has changed all the same.
        }
    }

    // Given at the start of the span, because samplers decide by these tags.
    static KeyValuePair<string, object?>[] Tags(string system, string operation, string queue) =>
    [
        new(TelemetryNames.Tag.System, system),
        new(TelemetryNames.Tag.Operation, operation),
        new(TelemetryNames.Tag.OperationType, operation),
        new(TelemetryNames.Tag.Queue, queue),
    ];
}
