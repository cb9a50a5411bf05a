using System.Text.Json;
using Jobs.Transport;
using Jobs.Wire;

namespace Jobs.Events;

/// <summary>
/// Whether somebody watches: a viewer asks all workers for every event, for some seconds, and asks again before these
/// are over. So a viewer that dies costs nothing for long, and nobody has to switch anything off.
/// </summary>
sealed class WatchLease(LamportClock clock, TimeProvider time)
{
    public const string Topic = "jobs.watch";

    /// <summary>No viewer can ask for more at once.</summary>
    public static TimeSpan Longest { get; } = TimeSpan.FromSeconds(30);

    readonly Lock gate = new();
    long takenAt;
    TimeSpan lease;
    volatile bool isWatched;

    /// <summary>Whether a viewer wants every event now. <see cref="Look"/> ends it.</summary>
    public bool IsWatched => isWatched;

    /// <summary>What a viewer sends to all workers.</summary>
    /// <param name="viewer">The name of the viewer.</param>
    /// <param name="clock">Numbers the events of this process.</param>
    /// <param name="now">The time.</param>
    /// <param name="lease">For how long it wants every event; at most <see cref="Longest"/> counts.</param>
    public static BroadcastMessage Ask(string viewer, LamportClock clock, DateTimeOffset now, TimeSpan lease)
    {
        var writer = new EventWriter(viewer, clock);
        writer.Begin("jobs-watch"u8, now);
        writer.Json.WriteNumber("seconds"u8, lease.TotalSeconds); // and not until when: the clocks of two machines differ
        writer.End();
        return new() { Topic = Topic, Body = writer.Take(asList: false), Sender = viewer, SendBy = now + lease };
    }

    /// <summary>Takes what a viewer has sent.</summary>
    /// <returns>Whether it asks for events.</returns>
    public bool Take(ReadOnlyMemory<byte> message)
    {
        if (Seconds(message) is not { } seconds || !(seconds > 0))
        {
            return false;
        }

        lock (gate)
        {
            var asked = seconds < Longest.TotalSeconds ? TimeSpan.FromSeconds(seconds) : Longest;
            if (!isWatched || asked > lease - time.GetElapsedTime(takenAt)) // a second viewer must not shorten the first one's
            {
                (takenAt, lease) = (time.GetTimestamp(), asked);
            }

            isWatched = true;
        }

        return true;
    }

    /// <summary>Ends the lease when its time is over.</summary>
    public void Look()
    {
        if (isWatched)
        {
            lock (gate)
            {
                isWatched = time.GetElapsedTime(takenAt) < lease;
            }
        }
    }

    // Anybody may write to the exchange, so this may be anything.
    double? Seconds(ReadOnlyMemory<byte> message)
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

            return seconds.GetDouble();
        }
        catch (Exception e) when (e is JsonException or FormatException)
        {
            return null;
        }
    }
}
