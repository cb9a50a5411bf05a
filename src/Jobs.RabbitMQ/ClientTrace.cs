using System.Diagnostics;
using Jobs.Diagnostics;
using Jobs.Wire;

namespace Jobs.RabbitMQ;

/// <summary>
/// Keeps the spans of RabbitMQ.Client in the trace of the job. When somebody listens, the client makes a span for each
/// publish and writes its id over the <c>traceparent</c> of the message. Without a current activity, that span would be
/// the root of another trace. (rabbitmq-dotnet-client #1666, #1261)
/// </summary>
readonly struct ClientTrace : IDisposable
{
    // Somebody who listens to the client's source also listens to this one, because both have the same name.
    static readonly ActivitySource? clients = Traces.Source("RabbitMQ.Client.Publisher");

    readonly Activity? activity;

    ClientTrace(Activity? activity) => this.activity = activity;

    /// <summary>
    /// Starts an activity around one publish; dispose it when the publish ends. No exception passes through here: the
    /// header may hold anything, and the listeners are the user's code.
    /// </summary>
    public static ClientTrace Within(JobMessage message)
    {
        try
        {
            return clients?.HasListeners() == true && message.Headers.GetValueOrDefault(WireHeaders.TraceParent) is string parent
                ? new(new Activity("publish").SetParentId(parent).Start())
                : default;
        }
        catch (Exception)
        {
            Traces.Restore(null);
            return default;
        }
    }

    public void Dispose()
    {
        if (activity is not null)
        {
            Traces.End(activity);
            Traces.Restore(null);
        }
    }
}
