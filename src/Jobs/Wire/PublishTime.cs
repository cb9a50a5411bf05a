namespace Jobs.Wire;

/// <summary>Finds out since when a job has been waiting for its run.</summary>
/// <remarks>
/// 1. The timestamp of an AMQP message counts seconds. That is too coarse for jobs that start within milliseconds.
/// 2. A header of our own would cost every job a dictionary entry, a boxed number and some 30 bytes at every hop, for a
/// figure that only listeners of metrics read.
/// 3. But an id from the dispatcher is a UUID of version 7, and its first 48 bits are the millisecond of the enqueue.
/// 4. We use that millisecond only when it is in the same second as the message's timestamp; otherwise a user made the
/// id earlier.
/// 5. With any other id, the wait is exact to the second, and up to a second too long.
/// </remarks>
static class PublishTime
{
    public static DateTimeOffset? Of(JobEnvelope envelope)
    {
        if (envelope.Eta is { } due)
        {
            return due; // a delayed job or a retry: it waits since it was due
        }

        var seconds = envelope.Message.Timestamp;
        if (seconds is <= 0 or > 253_402_300_799) // the year 9999
        {
            return null;
        }

        return Milliseconds(envelope.Id, seconds) is { } exact ? DateTimeOffset.FromUnixTimeMilliseconds(exact) : DateTimeOffset.FromUnixTimeSeconds(seconds);
    }

    /// <summary>The millisecond in an id that the dispatcher made: a UUID of version 7, from the same second.</summary>
    /// <returns><see langword="null"/> for every other id.</returns>
    public static long? Milliseconds(string id, long seconds) =>
        seconds > 0 && Guid.TryParseExact(id, "D", out var uuid) && uuid.Version == 7 && Milliseconds(uuid) is var exact && exact / 1000 == seconds
            ? exact
            : null;

    static long Milliseconds(Guid id)
    {
        Span<byte> bytes = stackalloc byte[16];
        id.TryWriteBytes(bytes, bigEndian: true, out _);
        return System.Buffers.Binary.BinaryPrimitives.ReadInt64BigEndian(bytes) >>> 16;
    }
}
