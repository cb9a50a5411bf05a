using System.Diagnostics;
using Jobs.Wire;

namespace Jobs.Diagnostics;

/// <summary>Spans, after OpenTelemetry's messaging conventions: <c>send {queue}</c> and <c>process {queue}</c>.</summary>
/// <remarks>
/// A job that runs at once is a child of its send span. One that waited – delayed, a retry, or fired by a schedule – begins its own trace and links to it: a trace that stays open for hours is
/// of no use, and the beat's jobs would all hang on one.
/// </remarks>
static class Traces
{
    static readonly ActivitySource source = new(Names.Source, Names.Version);

    public static Activity? StartSend(string system, string task, string id, string queue)
    {
        if (!source.HasListeners())
        {
            return null;
        }

        if (JobContext.Current is null && ScheduledId.IsOne(id))
        {
            Activity.Current = null; // the beat fires outside any trace, whatever trace the host was started in; undone by the end of the caller's async method
        }

        var activity = source.StartActivity(ActivityKind.Producer, tags: Tags(system, Names.Operation.Send, queue), name: $"send {queue}");
        return activity?
            .SetTag(Names.Tag.MessageId, id)
            .SetTag(Names.Tag.ConversationId, JobContext.Current?.RootId ?? id)
            .SetTag(Names.Tag.Task, task);
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

    /// <summary>W3C trace context always travels: of the current activity, or of the job that is running when nobody listens here.</summary>
    public static void Inject(JobHeaders headers)
    {
        var activity = Activity.Current;
        var (parent, state) = activity is { IdFormat: ActivityIdFormat.W3C }
            ? (activity.Id, activity.TraceStateString)
            : (JobContext.Current?.TraceParent, JobContext.Current?.TraceState);
        if (parent is null)
        {
            return;
        }

        headers.TraceParent = parent;
        headers.TraceState = string.IsNullOrEmpty(state) ? null : state;
    }

    // With the start of the span, because samplers decide by them.
    static KeyValuePair<string, object?>[] Tags(string system, string operation, string queue) =>
    [
        new(Names.Tag.System, system),
        new(Names.Tag.Operation, operation),
        new(Names.Tag.OperationType, operation),
        new(Names.Tag.Queue, queue),
    ];
}

/// <summary>The ids that a beat gives: <c>name@20260301T120500Z</c>.</summary>
static class ScheduledId
{
    const int SlotLength = 16;

    public static bool IsOne(string id)
    {
        var at = id.Length - SlotLength - 1;
        return at > 0 && id[at] == '@' && id[at + 9] == 'T' && id[^1] == 'Z'
            && !id.AsSpan(at + 1, 8).ContainsAnyExceptInRange('0', '9')
            && !id.AsSpan(at + 10, 6).ContainsAnyExceptInRange('0', '9');
    }
}
