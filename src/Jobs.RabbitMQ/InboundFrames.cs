using System.Buffers.Binary;
using System.Collections.Concurrent;

namespace Jobs.RabbitMQ;

/// <summary>
/// The bytes that the broker sends, on their way to RabbitMQ.Client. This class receives them in large pieces, and
/// changes each header that the client cannot read into one that it can.
/// </summary>
/// <remarks>
/// The client ends the connection at a header that it cannot read. The broker then delivers the message to the next
/// connection, which ends too, and so on for ever. So:
/// 1. <see cref="Received"/> walks over the frames. It passes body frames on as they come. It passes a method or header
/// frame on when the whole frame is there.
/// 2. <see cref="HeaderTable"/> replaces what the client cannot read, without moving a byte.
/// 3. If a replacement lost a value, <see cref="TakeProblem"/> tells the consumer, and the message becomes a dead
/// letter.
/// One thread at a time reads. Any thread may call <see cref="TakeProblem"/>.
/// </remarks>
sealed class InboundFrames
{
    const int FrameStart = 7; // type, channel and length of the payload
    const int FrameEnd = 1;
    const byte Method = 1;
    const byte Header = 2;

    // A header frame's payload begins with class, weight and body size; the properties follow.
    const int PropertiesStart = 12;

    // Class 60, method 60.
    const uint BasicDeliver = (60 << 16) | 60;

    // A limit, because only consumers of jobs take the problems of their deliveries. Nobody takes the problems of other
    // messages.
    const int MostProblems = 1_000;

    readonly ConcurrentDictionary<(int Channel, ulong DeliveryTag), string> problems = new();
    bool hasProblems;
    byte[] buffer = new byte[64 * 1024];
    int taken; // the client has taken the bytes up to here
    int passed; // the client may take the bytes up to here
    int end; // the buffer is filled up to here
    int wanted; // the size of the frame that has not arrived completely
    long passing; // how many more bytes of a frame pass without a look
    (int Channel, ulong DeliveryTag) delivery; // the last delivery that began

    /// <summary>Where the socket's next bytes go. Call this only when <see cref="Take"/> has nothing.</summary>
    public Memory<byte> Room()
    {
        var left = buffer.AsSpan(passed, end - passed);
        var next = wanted > buffer.Length ? new byte[wanted] : buffer;
        left.CopyTo(next);
        (buffer, taken, passed, end) = (next, 0, 0, left.Length);
        return buffer.AsMemory(end);
    }

    /// <summary>Says that the socket has put so many bytes into the <see cref="Room"/>.</summary>
    public void Received(int count)
    {
        end += count;
        while (TryPass(buffer.AsSpan(passed, end - passed)))
        {
        }
    }

    /// <returns>How many bytes the client got; 0 when more must be received first.</returns>
    public int Take(Span<byte> destination)
    {
        var count = Math.Min(passed - taken, destination.Length);
        buffer.AsSpan(taken, count).CopyTo(destination);
        taken += count;
        return count;
    }

    /// <summary>
    /// Which header of a delivery lost its value, and why; <see langword="null"/> when none did. Each problem is told
    /// once.
    /// </summary>
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

    /// <summary>
    /// Remembers the delivery that a method begins. The next header frame belongs to it, because the broker writes a
    /// method and its content together.
    /// </summary>
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
