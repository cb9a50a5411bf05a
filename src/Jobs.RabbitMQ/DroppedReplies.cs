using Jobs.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Jobs.RabbitMQ;

/// <summary>Counts replies that nobody takes, and logs the first one of each queue.</summary>
sealed class DroppedReplies(ILogger logger, Telemetry telemetry)
{
    // Each process has a reply queue with its own name, so the number of names has no limit.
    const int MostRemembered = 1_000;

    readonly Lock gate = new();
    readonly HashSet<string> said = new(StringComparer.Ordinal);

    public void Say(IReadOnlyList<DroppedReply> dropped)
    {
        foreach (var reply in dropped)
        {
            telemetry.ReplyDropped(reply.Queue);
            if (IsFirst(reply.Queue))
            {
                Log.ReplyDropped(logger, reply.JobId, reply.Queue, reply.Why);
            }
        }
    }

    bool IsFirst(string queue)
    {
        lock (gate)
        {
            return said.Count < MostRemembered && said.Add(queue);
        }
    }
}
