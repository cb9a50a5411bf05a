using System.Buffers.Text;
using System.Text;

namespace Jobs.Inspection;

/// <summary>The id of a job in 16 bytes, if it is a UUID as Jobs and Celery write it; any other id as text.</summary>
readonly record struct JobKey(Guid Guid, string? Text)
{
    const int GuidLength = 36;

    public bool IsNone => Guid == Guid.Empty && Text is null;

    /// <summary>The time inside an id of version 7; <see langword="null"/> in any other.</summary>
    public DateTimeOffset? Time
    {
        get
        {
            const int Version7 = 7;
            const long Latest = 253_402_300_799_999;
            if (Guid.Version != Version7)
            {
                return null;
            }

            Span<byte> bytes = stackalloc byte[16];
            Guid.TryWriteBytes(bytes, bigEndian: true, out _);
            var milliseconds = System.Buffers.Binary.BinaryPrimitives.ReadInt64BigEndian(bytes) >>> 16;
            return milliseconds <= Latest ? DateTimeOffset.FromUnixTimeMilliseconds(milliseconds) : null;
        }
    }

    public static JobKey Of(string id) => Of(Encoding.UTF8.GetBytes(id));

    public static JobKey Of(ReadOnlySpan<byte> id) =>
        id.Length == GuidLength && Utf8Parser.TryParse(id, out Guid guid, out var length, 'D') && length == GuidLength && guid != Guid.Empty
            && !id.ContainsAnyInRange((byte)'A', (byte)'F')
            ? new(guid, null)
            : new(Guid.Empty, Encoding.UTF8.GetString(id));

    /// <summary>Whether the id begins with this text.</summary>
    public bool StartsWith(string text)
    {
        Span<char> id = stackalloc char[GuidLength];
        return Text?.StartsWith(text, StringComparison.Ordinal)
            ?? (Guid.TryFormat(id, out _, "D") && ((ReadOnlySpan<char>)id).StartsWith(text, StringComparison.Ordinal));
    }

    public override string ToString() => Text ?? Guid.ToString("D");
}
