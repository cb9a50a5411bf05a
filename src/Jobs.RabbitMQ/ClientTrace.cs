using System.Diagnostics;
using Jobs.Diagnostics;
using Jobs.Wire;

namespace Jobs.RabbitMQ;

/// <summary>
/// Keeps the client library's own spans in the trace of the job. With listeners it makes one for each publish and writes it over the
/// <c>traceparent</c> of the message; without a current activity that would be the root of another trace. (rabbitmq-dotnet-client #1666, #1261)
/// </summary>
readonly struct ClientTrace : IDisposable
{
    // Whoever listens to the client's source listens to any of that name.
    static readonly ActivitySource? clients = Traces.Source("RabbitMQ.Client.Publisher");

    readonly Activity? activity;

    ClientTrace(Activity? activity) => this.activity = activity;

    /// <summary>For one publish; ends with it. Nothing throws through here: the header is the sender's, the listeners are the user's.</summary>
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
