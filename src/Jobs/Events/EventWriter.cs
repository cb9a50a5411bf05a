using System.Buffers;
using System.Text.Json;
using Jobs.Wire;

namespace Jobs.Events;

/// <summary>
/// Writes events one after the other into memory that is used again: as one event, or as the list that Celery calls
/// <c>task.multi</c>. Not thread-safe.
/// </summary>
/// <remarks>
/// No event says how far its sender is from UTC: receivers would "correct" a time by it that is right already
/// (celery-protocol.md §9.1).
/// </remarks>
sealed class EventWriter : IBufferWriter<byte>
{
    const int FirstCapacity = 4 * 1024;
    const int KeptCapacity = 128 * 1024; // what one event of many tasks has made larger is not kept

    readonly string node;
    readonly LamportClock clock;
    byte[] bytes = new byte[FirstCapacity];

    /// <param name="node">The name of the sender.</param>
    /// <param name="clock">Numbers the events.</param>
    public EventWriter(string node, LamportClock clock) => (this.node, this.clock, Json) = (node, clock, new(this, WireTypes.WriterOptions));

    public Utf8JsonWriter Json { get; }

    public int Length { get; private set; }

    /// <summary>How many events there are.</summary>
    public int Count { get; private set; }

    /// <summary>Begins an event. The caller adds fields to <see cref="Json"/>, and calls <see cref="End"/>.</summary>
    /// <param name="type">Its type.</param>
    /// <param name="at">When it happened.</param>
    public void Begin(ReadOnlySpan<byte> type, DateTimeOffset at)
    {
        if (Count > 0)
        {
            Add((byte)',');
        }

        Json.WriteStartObject();
        Json.WriteString("type"u8, type);
        Json.WriteString("hostname"u8, node);
        Json.WriteNumber("timestamp"u8, Seconds(at));
        Json.WriteNumber("pid"u8, Environment.ProcessId);
        Json.WriteNumber("clock"u8, clock.Next());
    }

    /// <summary>Begins an event of a job.</summary>
    public void Begin(ReadOnlySpan<byte> type, string uuid, DateTimeOffset at)
    {
        Begin(type, at);
        Json.WriteString("uuid"u8, uuid);
    }

    public void End()
    {
        Json.WriteEndObject();
        Json.Flush();
        Json.Reset();
        Count++;
    }

    /// <summary>Removes what was written after a point, also half of an event.</summary>
    public void Undo((int Length, int Count) before)
    {
        Json.Reset();
        (Length, Count) = before;
    }

    /// <summary>Takes out what was written.</summary>
    /// <param name="asList">Whether as a list; otherwise there is one event.</param>
    public byte[] Take(bool asList)
    {
        var around = asList ? 1 : 0;
        var taken = new byte[Length + (2 * around)];
        bytes.AsSpan(0, Length).CopyTo(taken.AsSpan(around));
        if (asList)
        {
            (taken[0], taken[^1]) = ((byte)'[', (byte)']');
        }

        (Length, Count) = (0, 0);
        if (bytes.Length > KeptCapacity)
        {
            bytes = new byte[FirstCapacity];
        }

        return taken;
    }

    /// <summary>Seconds since 1970, as Python's <c>time.time()</c>.</summary>
    public static double Seconds(DateTimeOffset at) => (at.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks) / (double)TimeSpan.TicksPerSecond;

    void IBufferWriter<byte>.Advance(int count) => Length += count;

    Memory<byte> IBufferWriter<byte>.GetMemory(int sizeHint)
    {
        Ensure(sizeHint);
        return bytes.AsMemory(Length);
    }

    Span<byte> IBufferWriter<byte>.GetSpan(int sizeHint)
    {
        Ensure(sizeHint);
        return bytes.AsSpan(Length);
    }

    void Add(byte one)
    {
        Ensure(1);
        bytes[Length++] = one;
    }

    void Ensure(int sizeHint)
    {
        var needed = Length + Math.Max(sizeHint, 1);
        if (needed > bytes.Length)
        {
            Array.Resize(ref bytes, Math.Max(needed, bytes.Length * 2));
        }
    }
}
