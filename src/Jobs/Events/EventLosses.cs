using Jobs.Diagnostics;
using Jobs.Transport;
using Microsoft.Extensions.Logging;

namespace Jobs.Events;

/// <summary>Tells log and metrics of events that were dropped: at most one line a minute.</summary>
sealed class EventLosses(JobTransport transport, Telemetry telemetry, TimeProvider time, ILogger<EventLosses> logger)
{
    static readonly TimeSpan betweenLines = TimeSpan.FromMinutes(1);

    readonly Lock gate = new();
    readonly TimeProvider time = GuardedTime.Of(time);
    readonly ILogger logger = GuardedLogger.Of(logger);
    long counted;
    long logged;
    long? saidAt;

    /// <summary>Looks whether the broadcast has dropped events since the last look.</summary>
    public void Look(JobBroadcast broadcast)
    {
        long unlogged;
        lock (gate)
        {
            var dropped = broadcast.Dropped;
            if (dropped > counted)
            {
                telemetry.EventsDropped(transport.MessagingSystem, dropped - counted);
                counted = dropped;
            }

            unlogged = dropped - logged;
            if (unlogged == 0 || (saidAt is { } said && time.GetElapsedTime(said) < betweenLines))
            {
                return;
            }

            (logged, saidAt) = (dropped, time.GetTimestamp());
        }

        Log.EventsDropped(logger, unlogged);
    }
}
