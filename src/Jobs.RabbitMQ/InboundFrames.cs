using System.Buffers.Binary;
using System.Collections.Concurrent;

namespace Jobs.RabbitMQ;

/// <summary>
/// The bytes that the broker sends, on their way to RabbitMQ.Client. They are read in large pieces, and a header that the
/// client cannot read is changed into one that it can.
/// </summary>
/// <remarks>
/// The client ends the connection at a header that it cannot read. The broker then delivers the message again, to the
/// next connection, and so on for ever. So:
/// 1. <see cref="Received"/> walks over the frames. Body frames pass as they come; a method or header frame passes when
/// all of it is there.
/// 2. <see cref="HeaderTable"/> changes what the client cannot read, without moving a byte.
/// 3. If a value was lost by that, <see cref="TakeProblem"/> tells the consumer, and the message becomes a dead letter.
/// One thread at a time reads; <see cref="TakeProblem"/> may be called by any thread.
/// </remarks>
sealed class InboundFrames
{
    const int FrameStart = 7; // type, channel and length of the payload
    const int FrameEnd = 1;
    const byte Method = 1;
    const byte Header = 2;

    // What a header frame's payload begins with: class, weight and body size.
    const int PropertiesStart = 12;

    // Class 60, method 60.
    const uint BasicDeliver = (60 << 16) | 60;

    // Consumers of jobs take the problems of their deliveries at once; nobody takes those of other messages.
    const int MostProblems = 1_000;

    readonly ConcurrentDictionary<(int Channel, ulong DeliveryTag), string> problems = new();
    bool hasProblems;
    byte[] buffer = new byte[64 * 1024];
    int taken; // up to here the client has them
    int passed; // up to here it may have them
    int end;
    int wanted; // the size of the frame that is not all there
    long passing; // how many bytes of the frame pass without a look
    (int Channel, ulong DeliveryTag) delivery; // the last that began

    /// <summary>Where the socket's next bytes go. Asked for when <see cref="Take"/> has nothing.</summary>
    public Memory<byte> Room()
    {
        var left = buffer.AsSpan(passed, end - passed);
        var next = wanted > buffer.Length ? new byte[wanted] : buffer;
        left.CopyTo(next);
        (buffer, taken, passed, end) = (next, 0, 0, left.Length);
        return buffer.AsMemory(end);
    }

    /// <summary>That many bytes are in the <see cref="Room"/> now.</summary>
    public void Received(int count)
    {
        end += count;
        while (TryPass(buffer.AsSpan(passed, end - passed)))
        {
        }
    }

    /// <returns>How many bytes there were for the client; 0 when more must be received first.</returns>
    public int Take(Span<byte> destination)
    {
        var count = Math.Min(passed - taken, destination.Length);
        buffer.AsSpan(taken, count).CopyTo(destination);
        taken += count;
        return count;
    }

    /// <summary>What was lost of a delivery's headers, and why; <see langword="null"/> when nothing was. It is told once.</summary>
    public string? TakeProblem(int channel, ulong deliveryTag) =>
        Volatile.Read(ref hasProblems) && problems.TryRemove((channel, deliveryTag), out var problem) ? problem : null;

    bool TryPass(Span<byte> rest)
    {
        if (passing > 0 && !rest.IsEmpty)
        {
            var count = (int)Math.Min(passing, rest.Length);
            passing -= count;
            passed += count;
            return true;
        }

        if (rest.Length < FrameStart)
        {
            return false;
        }

        var (type, channel, size) = (rest[0], BinaryPrimitives.ReadUInt16BigEndian(rest[1..]), BinaryPrimitives.ReadUInt32BigEndian(rest[3..]));
        var whole = FrameStart + (long)size + FrameEnd;
        if (type is not (Method or Header) || whole > int.MaxValue)
        {
            passing = whole;
            return true;
        }

        wanted = (int)whole;
        if (rest.Length < wanted)
        {
            return false;
        }

        var payload = rest.Slice(FrameStart, (int)size);
        if (type == Method)
        {
            LookAtMethod(channel, payload);
        }
        else if (payload.Length > PropertiesStart && HeaderTable.Mend(payload[PropertiesStart..]) is { } problem)
        {
            Keep(channel, problem);
        }

        passed += wanted;
        wanted = 0;
        return true;
    }

    /// <summary>Its header frame follows at once: the broker writes a method and its content together.</summary>
    void LookAtMethod(int channel, ReadOnlySpan<byte> payload)
    {
        const int ConsumerTagAt = 4;
        if (payload.Length > ConsumerTagAt && BinaryPrimitives.ReadUInt32BigEndian(payload) == BasicDeliver)
        {
            delivery = (channel, BinaryPrimitives.ReadUInt64BigEndian(payload[(ConsumerTagAt + 1 + payload[ConsumerTagAt])..]));
        }
    }

    void Keep(int channel, string problem)
    {
        if (delivery.Channel == channel && problems.Count < MostProblems)
        {
            problems[delivery] = problem;
            Volatile.Write(ref hasProblems, true);
        }
    }
}
