using Jobs.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Jobs.RabbitMQ;

/// <summary>Counts replies that nobody takes, and logs the first of each queue. The line's gate guards it.</summary>
sealed class DroppedReplies(ILogger logger, Telemetry telemetry)
{
    // Reply queues have the names of processes: there is no end of them.
    const int MostRemembered = 1_000;

    readonly HashSet<string> said = new(StringComparer.Ordinal);

    /// <summary>Drops the reply: its job has succeeded, and must not run again for it.</summary>
    public void Drop(PendingPublish reply, string why)
    {
        reply.Drop();
        telemetry.ReplyDropped(reply.Queue);
        if (said.Count < MostRemembered && said.Add(reply.Queue))
        {
            Log.ReplyDropped(logger, reply.Message.CorrelationId, reply.Queue, why);
        }
    }
}
