using System.Text.Json;
using Jobs.Transport;
using Jobs.Wire;

namespace Jobs.Events;

/// <summary>
/// Whether somebody watches: a viewer asks all workers for more, for some seconds, and asks again before these are
/// over. So a viewer that dies costs nothing for long, and nobody has to switch anything off. Each viewer gets the jobs
/// that run, in heartbeats; and every event of every job, if it asks for that.
/// </summary>
sealed class WatchLease(LamportClock clock, TimeProvider time)
{
    public const string Topic = "jobs.watch";

    /// <summary>No viewer can ask for more at once.</summary>
    public static TimeSpan Longest { get; } = TimeSpan.FromSeconds(30);

    readonly Lock gate = new();
    long takenAt;
    TimeSpan lease;
    long allTakenAt;
    TimeSpan allLease;
    volatile bool isWatched;
    volatile bool wantsAll;

    /// <summary>Whether a viewer wants to know which jobs run. <see cref="Look"/> ends it.</summary>
    public bool IsWatched => isWatched;

    /// <summary>Whether a viewer wants every event now. <see cref="Look"/> ends it.</summary>
    public bool WantsAll => wantsAll;

    /// <summary>What a viewer sends to all workers.</summary>
    /// <param name="viewer">The name of the viewer.</param>
    /// <param name="clock">Numbers the events of this process.</param>
    /// <param name="now">The time.</param>
    /// <param name="lease">For how long it watches; at most <see cref="Longest"/> counts.</param>
    /// <param name="all">Whether it wants every event.</param>
    public static BroadcastMessage Ask(string viewer, LamportClock clock, DateTimeOffset now, TimeSpan lease, bool all)
    {
        var writer = new EventWriter(viewer, clock);
        writer.Begin("jobs-watch"u8, now);
        writer.Json.WriteNumber("seconds"u8, lease.TotalSeconds); // and not until when: the clocks of two machines differ
        writer.Json.WriteBoolean("all"u8, all);
        writer.End();
        return new() { Topic = Topic, Body = writer.Take(asList: false), Sender = viewer, SendBy = now + lease };
    }

    /// <summary>Takes what a viewer has sent.</summary>
    /// <returns>Whether it asks for something.</returns>
    public bool Take(ReadOnlyMemory<byte> message)
    {
        if (Read(message) is not (var seconds, var all) || !(seconds > 0))
        {
            return false;
        }

        var asked = seconds < Longest.TotalSeconds ? TimeSpan.FromSeconds(seconds) : Longest;
        lock (gate)
        {
            Extend(ref takenAt, ref lease, isWatched, asked);
            isWatched = true;
            if (all)
            {
                Extend(ref allTakenAt, ref allLease, wantsAll, asked);
                wantsAll = true;
            }
        }

        return true;
    }

    /// <summary>Ends a lease when its time is over.</summary>
    public void Look()
    {
        if (isWatched)
        {
            lock (gate)
            {
                isWatched = time.GetElapsedTime(takenAt) < lease;
                wantsAll = wantsAll && time.GetElapsedTime(allTakenAt) < allLease;
            }
        }
    }

    // A second viewer must not shorten the lease of the first one.
    void Extend(ref long takenAt, ref TimeSpan lease, bool isRunning, TimeSpan asked)
    {
        if (!isRunning || asked > lease - time.GetElapsedTime(takenAt))
        {
            (takenAt, lease) = (time.GetTimestamp(), asked);
        }
    }

    // Anybody may write to the exchange, so this may be anything.
    (double Seconds, bool All)? Read(ReadOnlyMemory<byte> message)
    {
        try
        {
            using var document = JsonDocument.Parse(message, new() { MaxDepth = WireTypes.MaxDepth });
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("seconds", out var seconds) || seconds.ValueKind != JsonValueKind.Number)
            {
                return null;
            }

            if (root.TryGetProperty("clock", out var number) && number.ValueKind == JsonValueKind.Number && number.TryGetInt64(out var other))
            {
                clock.Saw(other);
            }

            return (seconds.GetDouble(), root.TryGetProperty("all", out var all) && all.ValueKind == JsonValueKind.True);
        }
        catch (Exception e) when (e is JsonException or FormatException)
        {
            return null;
        }
    }
}
