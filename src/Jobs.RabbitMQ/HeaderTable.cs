using System.Buffers.Binary;
using System.Text;

namespace Jobs.RabbitMQ;

/// <summary>The table of headers in a message's properties, as it travels (AMQP 0-9-1, §4.2.5.5).</summary>
/// <remarks>
/// RabbitMQ accepts and passes on values that RabbitMQ.Client 7.2.2 cannot read. This class replaces them:
/// 1. Celery's client gives the type <c>L</c> to each number beyond 32 bits. To RabbitMQ this type is the same as
/// <c>l</c> (rabbitmq-server #1093), so <c>L</c> becomes <c>l</c>.
/// 2. A decimal of more than 28 digits after the point becomes a text.
/// 3. Tables and lists can lie inside each other. At some thousand levels the client's recursion ends the process. A
/// table or list that lies too deep becomes bytes.
/// Each replacement is as long as the value that it replaces.
/// </remarks>
static class HeaderTable
{
    const int MostLevels = 100;
    const int MostDecimalPlaces = 28;

    // The first word of the properties says which properties are there. The properties before the headers are short
    // texts.
    const int HasContentType = 1 << 15;
    const int HasContentEncoding = 1 << 14;
    const int HasHeaders = 1 << 13;

    /// <summary>Replaces the values that the client cannot read.</summary>
    /// <param name="properties">The flags and all the properties after them.</param>
    /// <returns>The first value that was lost, and why; <see langword="null"/> if no value was lost.</returns>
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
            // The table ends earlier than its length says. The broker lets no such table through, and the client has
            // its own error.
            return null;
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
                length = value.Length; // the broker knows no other type
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

    /// <summary>The bytes after a length of four bytes.</summary>
    static Span<byte> Sized(Span<byte> text) => text.Slice(4, BinaryPrimitives.ReadInt32BigEndian(text));
}
