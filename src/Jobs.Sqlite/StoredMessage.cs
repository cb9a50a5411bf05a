using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Jobs.Wire;

namespace Jobs.Sqlite;

/// <summary>
/// Everything of a message but its body, as bytes: a version, the properties, then the headers. Each value has a letter
/// for its type in front, so that a string arrives as a string and a long as a long. The highest bit of the version
/// says that the message keeps its id pending.
/// </summary>
static class StoredMessage
{
    const byte Version = 1;
    const byte Pending = 0x80;

    /// <exception cref="ArgumentException">A header has a type that cannot be stored.</exception>
    public static void Write(JobMessage message, bool keepsPending, IBufferWriter<byte> target)
    {
        target.Write([keepsPending ? (byte)(Version | Pending) : Version]);
        WriteValue(target, message.ContentType);
        WriteValue(target, message.ContentEncoding);
        WriteValue(target, message.CorrelationId);
        WriteValue(target, message.ReplyTo);
        WriteValue(target, message.MessageId);
        WriteValue(target, message.AppId);
        WriteValue(target, message.Type);
        WriteValue(target, message.Priority is { } priority ? (int)priority : null);
        WriteValue(target, message.Timestamp);
        WriteNumber(target, (uint)message.Headers.Count);
        foreach (var (name, value) in message.Headers)
        {
            WriteText(target, name);
            WriteValue(target, value);
        }
    }

    /// <summary>Whether the message keeps its id pending: see <see cref="Transport.Outgoing.UnlessPending"/>.</summary>
    public static bool KeepsPending(ReadOnlySpan<byte> head) => head is [var version, ..] && (version & Pending) != 0;

    public static JobMessage Read(ReadOnlySpan<byte> head, ReadOnlyMemory<byte> body)
    {
        if ((head[0] & ~Pending) != Version)
        {
            throw new JobFormatException($"The message was stored in format {head[0] & ~Pending} by a newer version of Jobs.");
        }

        var rest = head[1..];
        var contentType = (string?)ReadValue(ref rest);
        var contentEncoding = (string?)ReadValue(ref rest);
        var correlationId = (string?)ReadValue(ref rest);
        var replyTo = (string?)ReadValue(ref rest);
        var messageId = (string?)ReadValue(ref rest);
        var appId = (string?)ReadValue(ref rest);
        var type = (string?)ReadValue(ref rest);
        var priority = (int?)ReadValue(ref rest);
        var timestamp = (long)ReadValue(ref rest)!;
        var count = (int)ReadNumber(ref rest);
        var headers = new JobHeaders(count);
        for (var i = 0; i < count; i++)
        {
            var name = ReadText(ref rest);
            headers[name] = ReadValue(ref rest);
        }

        var message = new JobMessage
        {
            Headers = headers,
            Body = body,
            ContentType = contentType,
            ContentEncoding = contentEncoding,
            CorrelationId = correlationId,
            ReplyTo = replyTo,
            Priority = (byte?)priority,
            Timestamp = timestamp,
        };
        return messageId is null && appId is null && type is null ? message : message with { MessageId = messageId, AppId = appId, Type = type };
    }

    static void WriteValue(IBufferWriter<byte> target, object? value)
    {
        switch (value)
        {
            case null: target.Write("n"u8); break;
            case string text: target.Write("s"u8); WriteText(target, text); break;
            case true: target.Write("t"u8); break;
            case false: target.Write("f"u8); break;
            case int number: target.Write("i"u8); WriteFixed(target, number, 4); break;
            case long number: target.Write("l"u8); WriteFixed(target, number, 8); break;
            case double number: target.Write("d"u8); WriteFixed(target, BitConverter.DoubleToInt64Bits(number), 8); break;
            case byte number: target.Write("b"u8); WriteFixed(target, number, 8); break;
            case short number: target.Write("h"u8); WriteFixed(target, number, 8); break;
            case float number: target.Write("e"u8); WriteFixed(target, BitConverter.SingleToInt32Bits(number), 8); break;
            case byte[] bytes: target.Write("x"u8); WriteNumber(target, (uint)bytes.Length); target.Write(bytes); break;
            case IDictionary<string, object?> table:
                target.Write("T"u8);
                WriteNumber(target, (uint)table.Count);
                foreach (var (name, inner) in table)
                {
                    WriteText(target, name);
                    WriteValue(target, inner);
                }

                break;
            case IList<object?> list:
                target.Write("L"u8);
                WriteNumber(target, (uint)list.Count);
                foreach (var inner in list)
                {
                    WriteValue(target, inner);
                }

                break;
            default:
                throw new ArgumentException(
                    $"a header of type {value.GetType().Name} cannot be stored; use string, bool, int, long, double, a list or a table.");
        }
    }

    static object? ReadValue(ref ReadOnlySpan<byte> rest)
    {
        var type = (char)rest[0];
        rest = rest[1..];
        switch (type)
        {
            case 'n': return null;
            case 's': return ReadText(ref rest);
            case 't': return true;
            case 'f': return false;
            case 'i': return (int)ReadFixed(ref rest, 4);
            case 'l': return ReadFixed(ref rest, 8);
            case 'd': return BitConverter.Int64BitsToDouble(ReadFixed(ref rest, 8));
            case 'b': return (byte)ReadFixed(ref rest, 8);
            case 'h': return (short)ReadFixed(ref rest, 8);
            case 'e': return BitConverter.Int32BitsToSingle((int)ReadFixed(ref rest, 8));
            case 'x': return Take(ref rest, (int)ReadNumber(ref rest)).ToArray();
            case 'T':
                var table = new Dictionary<string, object?>(StringComparer.Ordinal);
                for (var left = ReadNumber(ref rest); left > 0; left--)
                {
                    var name = ReadText(ref rest);
                    table[name] = ReadValue(ref rest);
                }

                return table;
            case 'L':
                var list = new List<object?>();
                for (var left = ReadNumber(ref rest); left > 0; left--)
                {
                    list.Add(ReadValue(ref rest));
                }

                return list;
            default:
                throw new JobFormatException($"The message was stored with a header of type '{type}', which this version of Jobs does not know.");
        }
    }

    static void WriteText(IBufferWriter<byte> target, string text)
    {
        var length = Encoding.UTF8.GetByteCount(text);
        WriteNumber(target, (uint)length);
        Encoding.UTF8.GetBytes(text, target.GetSpan(length));
        target.Advance(length);
    }

    static string ReadText(ref ReadOnlySpan<byte> rest) => Encoding.UTF8.GetString(Take(ref rest, (int)ReadNumber(ref rest)));

    static ReadOnlySpan<byte> Take(ref ReadOnlySpan<byte> rest, int length)
    {
        var taken = rest[..length];
        rest = rest[length..];
        return taken;
    }

    static void WriteFixed(IBufferWriter<byte> target, long number, int size)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, number);
        target.Write(bytes[..size]);
    }

    static long ReadFixed(ref ReadOnlySpan<byte> rest, int size) =>
        size == 4 ? BinaryPrimitives.ReadInt32LittleEndian(Take(ref rest, 4)) : BinaryPrimitives.ReadInt64LittleEndian(Take(ref rest, 8));

    // Seven bits in each byte, the lowest first; the highest bit says that more follow.
    static void WriteNumber(IBufferWriter<byte> target, uint number)
    {
        var span = target.GetSpan(5);
        var length = 0;
        for (; number > 0x7F; number >>= 7)
        {
            span[length++] = (byte)(number | 0x80);
        }

        span[length++] = (byte)number;
        target.Advance(length);
    }

    static uint ReadNumber(ref ReadOnlySpan<byte> rest)
    {
        var number = 0u;
        for (var shift = 0; ; shift += 7)
        {
            var next = rest[0];
            rest = rest[1..];
            number |= (uint)(next & 0x7F) << shift;
            if (next <= 0x7F)
            {
                return number;
            }
        }
    }
}
