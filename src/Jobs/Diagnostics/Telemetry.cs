using System.Diagnostics;
using Jobs.Wire;

namespace Jobs.Diagnostics;

/// <summary>Traces: all names and tags, after OpenTelemetry's messaging conventions.</summary>
static class Telemetry
{
    static readonly ActivitySource source = new("Jobs");

    public static Activity? StartSend(string task, string id, string queue) =>
        Tag(source.HasListeners() ? source.StartActivity($"send {queue}", ActivityKind.Producer) : null, "send", task, id, queue);

    public static Activity? StartProcess(JobEnvelope envelope, string queue)
    {
        if (!source.HasListeners())
        {
            return null;
        }

        _ = ActivityContext.TryParse(envelope.TraceParent, envelope.TraceState, isRemote: true, out var sender);

        // A job that runs at once continues its sender's trace; one that waited begins its own and links to it.
        var waited = envelope.Eta is not null || envelope.Retries > 0;
        var activity = waited
            ? source.StartActivity($"process {queue}", ActivityKind.Consumer, default(ActivityContext), links: sender == default ? null : [new(sender)])
            : source.StartActivity($"process {queue}", ActivityKind.Consumer, sender);
        return Tag(activity, "process", envelope.Task, envelope.Id, queue);
    }

    /// <summary>W3C trace context always travels: of the current activity, or of the job that is running when nobody listens here.</summary>
    public static void Inject(Dictionary<string, object?> headers)
    {
        var activity = Activity.Current;
        var (parent, state) = activity is { IdFormat: ActivityIdFormat.W3C }
            ? (activity.Id, activity.TraceStateString)
            : (JobContext.Current?.TraceParent, JobContext.Current?.TraceState);
        if (parent is null)
        {
            return;
        }

        headers[WireHeaders.TraceParent] = parent;
        if (!string.IsNullOrEmpty(state))
        {
            headers[WireHeaders.TraceState] = state;
        }
    }

    static Activity? Tag(Activity? activity, string operation, string task, string id, string queue) => activity?
        .SetTag("messaging.operation.name", operation)
        .SetTag("messaging.destination.name", queue)
        .SetTag("messaging.message.id", id)
        .SetTag("jobs.task", task);
}
