using Jobs.Transport;

namespace Jobs.RabbitMQ;

/// <summary>How one queue's consumer fares: written by the loop that keeps it alive, read by health checks and gauges. Its answers say what is worth a log line: each change once.</summary>
sealed class ConsumerState(string queue, bool isQuarantine, TimeProvider time)
{
    readonly Lock gate = new();
    bool consuming;
    bool lost;
    bool failed;
    string? problem;
    long changed = time.GetTimestamp();
    long? starvedSince;

    /// <summary>The queue that is consumed: of a quarantine consumer, the quarantine.</summary>
    public string Queue => queue;

    public bool IsQuarantine => isQuarantine;

    public bool IsConsuming => Volatile.Read(ref consuming);

    /// <returns>Whether it had been lost, or could not be had, on this connection.</returns>
    public bool Gained()
    {
        lock (gate)
        {
            var regained = lost || failed;
            (lost, failed, problem) = (false, false, null);
            Set(true);
            return regained;
        }
    }

    /// <summary>It is over. For how long it starved is kept: whether a new consumer helps has yet to be seen.</summary>
    public void Lost(string reason)
    {
        lock (gate)
        {
            (lost, problem) = (true, reason);
            Set(false);
        }
    }

    /// <summary>It could not be had.</summary>
    /// <returns>Whether this is the first time since it was.</returns>
    public bool Failed(string reason)
    {
        lock (gate)
        {
            var first = !failed;
            (failed, problem, starvedSince) = (true, reason, null); // nobody is there who could starve
            Set(false);
            return first;
        }
    }

    /// <summary>The connection is over, and with it all that was said about this one's consumer.</summary>
    public void Disconnected()
    {
        lock (gate)
        {
            (lost, failed, problem, starvedSince) = (false, false, null, null); // or the time away would count, until the watchdog has looked again
            Set(false);
        }
    }

    /// <summary>What the watchdog saw: messages wait at the broker, and this consumer holds none and got none.</summary>
    public void Starves(bool starves)
    {
        lock (gate)
        {
            starvedSince = starves ? starvedSince ?? time.GetTimestamp() : null;
        }
    }

    public QueueHealth Health()
    {
        lock (gate)
        {
            return new(queue, consuming, time.GetElapsedTime(changed), problem)
            {
                IsQuarantine = isQuarantine,
                StarvedFor = starvedSince is { } since ? time.GetElapsedTime(since) : TimeSpan.Zero,
            };
        }
    }

    void Set(bool now)
    {
        if (consuming != now)
        {
            Volatile.Write(ref consuming, now);
            changed = time.GetTimestamp();
        }
    }
}
