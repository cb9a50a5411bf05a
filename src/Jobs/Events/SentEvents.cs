using Jobs.Diagnostics;
using Jobs.Registry;
using Jobs.Transport;
using Microsoft.Extensions.Options;

namespace Jobs.Events;

/// <summary>Tells that jobs were enqueued, if the host's options ask for it.</summary>
/// <remarks>
/// The event is sent after the enqueue has succeeded. Jobs that a worker enqueues because a job ended (the next link of
/// a chain, a retry) have no such event, and neither have jobs in a transaction of the application.
/// </remarks>
sealed class SentEvents : IDisposable
{
    readonly TimeProvider time;
    readonly TaskRegistry tasks;
    readonly SensitiveRule rule;
    readonly EventFeed? feed;

    public SentEvents(
        JobTransport transport, IOptions<JobsOptions> options, TaskRegistry tasks, LamportClock clock, EventLosses losses, TimeProvider time)
    {
        (this.time, this.tasks, rule) = (GuardedTime.Of(time), tasks, new(options.Value.SensitiveNames));
        if (options.Value is { SendSentEvents: true, Events: not EventLevel.Off } && transport.Broadcast is { } broadcast)
        {
            feed = new(broadcast, EventFeed.HistoryOf(transport), NodeName.Dispatcher, clock, losses, this.time);
        }
    }

    /// <summary>The job is enqueued.</summary>
    public void Sent(in Outgoing outgoing) =>
        feed?.Add(new SentFacts(outgoing, time.GetUtcNow(), tasks.Find(outgoing.Message.Headers.Task ?? ""), rule), TaskEvents.Sent);

    public void Dispose() => feed?.Dispose();
}
