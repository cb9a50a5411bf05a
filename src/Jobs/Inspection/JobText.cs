using System.Buffers;
using System.Text;

namespace Jobs.Inspection;

/// <summary>Texts of jobs as the index keeps them: in UTF-8, and cut.</summary>
static class JobText
{
    /// <summary>How long a text is kept.</summary>
    public const int MostBytes = 2048;

    static readonly byte[] gap = " … "u8.ToArray();

    /// <summary>The beginning of a text, without half a character at its end.</summary>
    public static ReadOnlySpan<byte> Cut(ReadOnlySpan<byte> text, int most)
    {
        if (text.Length <= most)
        {
            return text;
        }

        while (most > 0 && IsInside(text[most]))
        {
            most--;
        }

        return text[..most];
    }

    /// <summary>The text as it is kept; <see langword="null"/> for an empty one.</summary>
    public static byte[]? Keep(ReadOnlySpan<byte> text) => text.IsEmpty ? null : Cut(text, MostBytes).ToArray();

    /// <summary>A stack as it is kept: its beginning says what .NET threw, and its end what Python threw.</summary>
    public static byte[] KeepBothEnds(ReadOnlySpan<byte> text)
    {
        if (text.Length <= MostBytes)
        {
            return text.ToArray();
        }

        var half = (MostBytes - gap.Length) / 2;
        var tail = text[^half..];
        while (!tail.IsEmpty && IsInside(tail[0]))
        {
            tail = tail[1..];
        }

        return [.. Cut(text, half), .. gap, .. tail];
    }

    public static string? Of(byte[]? text) => text is null ? null : Encoding.UTF8.GetString(text);

    /// <summary>Whether one text is within the other, without regard to case.</summary>
    public static bool Contains(byte[]? text, string part)
    {
        if (text is null)
        {
            return false;
        }

        var chars = ArrayPool<char>.Shared.Rent(text.Length);
        try
        {
            ReadOnlySpan<char> all = chars.AsSpan(0, Encoding.UTF8.GetChars(text, chars));
            return all.Contains(part, StringComparison.OrdinalIgnoreCase);
        }
        finally
        {
            ArrayPool<char>.Shared.Return(chars);
        }
    }

    static bool IsInside(byte value) => (value & 0xC0) == 0x80;
}
