using System.Diagnostics;

namespace Jobs.Diagnostics;

/// <summary>Spans, after OpenTelemetry's messaging conventions: <c>send {queue}</c> and <c>process {queue}</c>.</summary>
/// <remarks>
/// A job that runs at once is a child of its send span. One that waited – delayed, a retry, or fired by a schedule – begins its own trace and links to it: a trace that stays open for hours is
/// of no use, and the beat's jobs would all hang on one.
/// </remarks>
static class Traces
{
    static readonly ActivitySource source = new(Names.Source, Names.Version);

    /// <summary>The span of a job that is sent; it is not the current activity.</summary>
    public static Activity? StartSend(in SentJob job)
    {
        if (!source.HasListeners())
        {
            return null;
        }

        var caller = Activity.Current;
        if (job.IsScheduled)
        {
            Activity.Current = null; // the beat fires outside any trace
        }

        var activity = source.StartActivity(ActivityKind.Producer, tags: Tags(job.System, Names.Operation.Send, job.Queue), name: $"send {job.Queue}");
        Activity.Current = caller; // the next job of many is not a child of this one
        return activity?
            .SetTag(Names.Tag.MessageId, job.Id)
            .SetTag(Names.Tag.ConversationId, job.RootId)
            .SetTag(Names.Tag.Task, job.Task)
            .SetTag(Names.Tag.BodySize, job.BodySize);
    }

    public static Activity? StartProcess(in RunningJob job)
    {
        if (!source.HasListeners())
        {
            return null;
        }

        _ = ActivityContext.TryParse(job.TraceParent, job.TraceState, isRemote: true, out var sender);
        var tags = Tags(job.System, Names.Operation.Process, job.Queue);
        var activity = job.Waited
            ? source.StartActivity(ActivityKind.Consumer, default, tags, sender == default ? null : [new(sender)], name: $"process {job.Queue}")
            : source.StartActivity(ActivityKind.Consumer, sender, tags, name: $"process {job.Queue}");
        if (activity is { IsAllDataRequested: true })
        {
            activity
                .SetTag(Names.Tag.MessageId, job.Id)
                .SetTag(Names.Tag.ConversationId, job.RootId)
                .SetTag(Names.Tag.BodySize, job.BodySize)
                .SetTag(Names.Tag.Task, job.Task)
                .SetTag(Names.Tag.Attempt, job.Attempt);
        }

        return activity;
    }

    /// <summary>The operation that a span describes ended with this.</summary>
    public static void Failed(Activity? activity, Exception e) =>
        activity?.SetStatus(ActivityStatusCode.Error, e.Message).SetTag(Names.Tag.Error, Telemetry.ErrorType(e));

    // With the start of the span, because samplers decide by them.
    static KeyValuePair<string, object?>[] Tags(string system, string operation, string queue) =>
    [
        new(Names.Tag.System, system),
        new(Names.Tag.Operation, operation),
        new(Names.Tag.OperationType, operation),
        new(Names.Tag.Queue, queue),
    ];
}
