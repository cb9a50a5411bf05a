namespace Jobs.Wire;

/// <summary>Since when a job has been waiting for its run.</summary>
/// <remarks>
/// The message's timestamp counts seconds (AMQP has no finer one), too coarse for jobs that start after milliseconds. A header of our own would cost every job a dictionary entry, a boxed number and
/// some 30 bytes at every hop, for a figure that only a listener reads. But the id that the dispatcher makes is a UUID of version 7, whose first 48 bits are the millisecond of the enqueue: that is read when
/// it agrees with the timestamp, so an id of version 7 that a user made earlier is not mistaken for it. With any other id the wait is exact to the second, and up to a second too long.
/// </remarks>
static class PublishTime
{
    public static DateTimeOffset? Of(JobEnvelope envelope)
    {
        if (envelope.Eta is { } due)
        {
            return due; // of a delayed job, and of a retry
        }

        var seconds = envelope.Message.Timestamp;
        if (seconds is <= 0 or > 253_402_300_799) // the year 9999
        {
            return null;
        }

        return Milliseconds(envelope.Id, seconds) is { } exact ? DateTimeOffset.FromUnixTimeMilliseconds(exact) : DateTimeOffset.FromUnixTimeSeconds(seconds);
    }

    /// <summary>The millisecond in an id that the dispatcher made: a UUID of version 7 of that very second.</summary>
    /// <returns><see langword="null"/> for every other id.</returns>
    public static long? Milliseconds(string id, long seconds) =>
        seconds > 0 && Guid.TryParseExact(id, "D", out var uuid) && uuid.Version == 7 && Milliseconds(uuid) is var exact && exact / 1000 == seconds ? exact : null;

    static long Milliseconds(Guid id)
    {
        Span<byte> bytes = stackalloc byte[16];
        id.TryWriteBytes(bytes, bigEndian: true, out _);
        return System.Buffers.Binary.BinaryPrimitives.ReadInt64BigEndian(bytes) >>> 16;
    }
}
