using System.Buffers.Binary;
using System.Text;

namespace Jobs.RabbitMQ;

/// <summary>The table of headers in a message's properties, as it travels (AMQP 0-9-1, §4.2.5.5).</summary>
/// <remarks>
/// RabbitMQ takes and passes on more than RabbitMQ.Client 7.2.2 can read:
/// 1. The type <c>L</c>, which Celery's client gives to each number beyond 32 bits. To RabbitMQ it is the same as
/// <c>l</c> (rabbitmq-server #1093), so it becomes an <c>l</c>.
/// 2. A decimal of more than 28 digits after the point. It becomes a text.
/// 3. Tables and lists inside each other: at some thousand levels the client's recursion ends the process. What lies too
/// deep becomes bytes.
/// Each replacement is as long as what it replaces.
/// </remarks>
static class HeaderTable
{
    const int MostLevels = 100;
    const int MostDecimalPlaces = 28;

    // The first word of the properties says which of them are there. Those before the headers are short texts.
    const int HasContentType = 1 << 15;
    const int HasContentEncoding = 1 << 14;
    const int HasHeaders = 1 << 13;

    /// <summary>Changes what the client cannot read.</summary>
    /// <param name="properties">The flags and all that follows them.</param>
    /// <returns>The first value that was lost, and why; <see langword="null"/> if none was.</returns>
    public static string? Mend(Span<byte> properties)
    {
        if (properties.Length < 2)
        {
            return null;
        }

        var flags = BinaryPrimitives.ReadUInt16BigEndian(properties);
        if ((flags & HasHeaders) == 0)
        {
            return null;
        }

        try
        {
            var at = 2;
            at += (flags & HasContentType) == 0 ? 0 : 1 + properties[at];
            at += (flags & HasContentEncoding) == 0 ? 0 : 1 + properties[at];
            return MendAll(Sized(properties[at..]), isTable: true, level: 1);
        }
        catch (ArgumentOutOfRangeException)
        {
            return null; // it ends before its own length says so: the client has an error for that, and the broker lets none through
        }
        catch (IndexOutOfRangeException)
        {
            return null;
        }
    }

    static string? MendAll(Span<byte> items, bool isTable, int level)
    {
        string? problem = null;
        ReadOnlySpan<byte> name = default;
        while (!items.IsEmpty)
        {
            if (isTable)
            {
                name = items.Slice(1, items[0]);
                items = items[(1 + name.Length)..];
            }

            var lost = MendOne(items, level, out var length);
            if (lost is not null)
            {
                problem ??= isTable && level == 1 ? $"The header '{Encoding.UTF8.GetString(name)}' {lost}" : lost;
            }

            items = items[length..];
        }

        return problem;
    }

    static string? MendOne(Span<byte> value, int level, out int length)
    {
        ref var type = ref value[0];
        switch (type)
        {
            case (byte)'S' or (byte)'x':
                length = 5 + Sized(value[1..]).Length;
                return null;
            case (byte)'I' or (byte)'i' or (byte)'f':
                length = 5;
                return null;
            case (byte)'t' or (byte)'b' or (byte)'B':
                length = 2;
                return null;
            case (byte)'V':
                length = 1;
                return null;
            case (byte)'l' or (byte)'d' or (byte)'T':
                length = 9;
                return null;
            case (byte)'s' or (byte)'u':
                length = 3;
                return null;
            case (byte)'L':
                type = (byte)'l';
                length = 9;
                return null;
            case (byte)'D':
                length = 6;
                return MendDecimal(value[..length]);
            case (byte)'F' or (byte)'A':
                var items = Sized(value[1..]);
                length = 5 + items.Length;
                if (level < MostLevels)
                {
                    return MendAll(items, isTable: type == 'F', level + 1);
                }

                type = (byte)'x';
                return $"has tables or lists in more than {MostLevels} levels.";
            default:
                length = value.Length; // the broker knows no other
                return null;
        }
    }

    static string? MendDecimal(Span<byte> value)
    {
        var places = value[1];
        if (places <= MostDecimalPlaces)
        {
            return null;
        }

        "S\0\0\0\u0001?"u8.CopyTo(value);
        return $"is or has a decimal of {places} places after the point; only {MostDecimalPlaces} can be read.";
    }

    /// <summary>What lies behind a length of four bytes.</summary>
    static Span<byte> Sized(Span<byte> text) => text.Slice(4, BinaryPrimitives.ReadInt32BigEndian(text));
}
