using Jobs.Transport;

namespace Jobs.RabbitMQ;

/// <summary>
/// The state of one queue's consumer. The loop that keeps the consumer alive writes it; health checks and gauges read
/// it. The return values tell the loop when to write a log line, so that each change is logged once.
/// </summary>
sealed class ConsumerState(string queue, bool isQuarantine, TimeProvider time)
{
    readonly Lock gate = new();
    bool consuming;
    bool lost;
    bool failed;
    string? problem;
    long changed = time.GetTimestamp();
    long? starvedSince;

    /// <summary>The queue that is consumed; for the consumer of a quarantine, the quarantine queue.</summary>
    public string Queue => queue;

    public bool IsQuarantine => isQuarantine;

    public bool IsConsuming => Volatile.Read(ref consuming);

    /// <returns>Whether the consumer was lost, or could not start, earlier on this connection.</returns>
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

    /// <summary>
    /// The consumer is lost. The time that it starved is kept, because nobody knows yet whether a new consumer helps.
    /// </summary>
    public void Lost(string reason)
    {
        lock (gate)
        {
            (lost, problem) = (true, reason);
            Set(false);
        }
    }

    /// <summary>The consumer could not start.</summary>
    /// <returns>Whether this is the first failure since a consumer last started.</returns>
    public bool Failed(string reason)
    {
        lock (gate)
        {
            var first = !failed;
            (failed, problem, starvedSince) = (true, reason, null); // there is no consumer that could starve
            Set(false);
            return first;
        }
    }

    /// <summary>The connection is over. All that was known about its consumer is void.</summary>
    public void Disconnected()
    {
        lock (gate)
        {
            // StarvedFor must not count the time without a connection.
            (lost, failed, problem, starvedSince) = (false, false, null, null);
            Set(false);
        }
    }

    /// <summary>
    /// The watchdog reports whether messages wait at the broker while this consumer holds none and got none.
    /// </summary>
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
