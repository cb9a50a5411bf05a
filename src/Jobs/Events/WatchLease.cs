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
    readonly Lease running = new(time);
    readonly Lease all = new(time);

    /// <summary>Whether a viewer wants to know which jobs run. <see cref="Look"/> ends it.</summary>
    public bool IsWatched => running.IsOn;

    /// <summary>Whether a viewer wants every event now. <see cref="Look"/> ends it.</summary>
    public bool WantsAll => all.IsOn;

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
        if (Read(message) is not (var seconds, var wantsAll) || !(seconds > 0))
        {
            return false;
        }

        var asked = seconds < Longest.TotalSeconds ? TimeSpan.FromSeconds(seconds) : Longest;
        lock (gate)
        {
            running.Extend(asked);
            if (wantsAll)
            {
                all.Extend(asked);
            }
        }

        return true;
    }

    /// <summary>Ends each lease whose time is over.</summary>
    public void Look()
    {
        if (IsWatched)
        {
            lock (gate)
            {
                running.Look();
                all.Look();
            }
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

            return (seconds.GetDouble(), root.TryGetProperty("all", out var wantsAll) && wantsAll.ValueKind == JsonValueKind.True);
        }
        catch (Exception e) when (e is JsonException or FormatException)
        {
            return null;
        }
    }

    /// <summary>One thing that viewers ask for. Any thread reads it; changes are made under the lock.</summary>
    sealed class Lease(TimeProvider time)
    {
        long takenAt;
        TimeSpan length;
        volatile bool isOn;

        public bool IsOn => isOn;

        // A second viewer must not shorten the lease of the first one.
        public void Extend(TimeSpan asked)
        {
            if (!isOn || asked > length - time.GetElapsedTime(takenAt))
            {
                (takenAt, length) = (time.GetTimestamp(), asked);
            }

            isOn = true;
        }

        public void Look() => isOn = isOn && time.GetElapsedTime(takenAt) < length;
    }
}
