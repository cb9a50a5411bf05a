using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Unicode;

namespace Jobs.Dashboard.Markup;

/// <summary>
/// A piece of HTML. The only way to make one from a text is an interpolated string, which encodes every value in it; so
/// the name of a task, an argument or an error cannot become markup. Attributes must stand in double quotes.
/// </summary>
/// <remarks>
/// Pieces stay in small chunks until they are sent. The string of a whole page would be a large object (85,000 bytes),
/// which only a full garbage collection frees.
/// </remarks>
readonly struct Html
{
    readonly StringBuilder? text; // not changed any more

    Html(StringBuilder text) => this.text = text;

    public static Html Empty => default;

    public bool IsEmpty => text is null or { Length: 0 };

    /// <summary>No text has more bytes.</summary>
    public int MostBytes => Encoding.UTF8.GetMaxByteCount(text?.Length ?? 0);

    /// <summary>The literal parts of the string as they are, the values encoded.</summary>
    public static Html Of(HtmlText text) => new(text.Text);

    /// <summary>All pieces, one after another.</summary>
    public static Html Join(IEnumerable<Html> pieces)
    {
        var all = new StringBuilder();
        foreach (var piece in pieces)
        {
            piece.AppendTo(all);
        }

        return new(all);
    }

    public void AppendTo(StringBuilder target)
    {
        foreach (var chunk in text?.GetChunks() ?? default) // and not all at once, which would make one large chunk
        {
            target.Append(chunk.Span);
        }
    }

    /// <summary>Writes it in UTF-8.</summary>
    /// <returns>The number of bytes.</returns>
    public int CopyTo(Span<byte> target)
    {
        var (encoder, length) = (Encoding.UTF8.GetEncoder(), 0); // which knows half a letter at the end of a chunk
        foreach (var chunk in text?.GetChunks() ?? default)
        {
            length += encoder.GetBytes(chunk.Span, target[length..], flush: false);
        }

        return length + encoder.GetBytes([], target[length..], flush: true);
    }

    public override string ToString() => text?.ToString() ?? "";
}

/// <summary>What the compiler turns an interpolated string of HTML into.</summary>
[InterpolatedStringHandler]
ref struct HtmlText
{
    // All scripts stay readable. Controls and what has a meaning in HTML is encoded in any case.
    static readonly HtmlEncoder encoder = HtmlEncoder.Create(UnicodeRanges.All);

    readonly StringBuilder text;

    public HtmlText(int literalLength, int formattedCount) => text = new(literalLength + formattedCount * 16);

    public readonly StringBuilder Text => text;

    public readonly void AppendLiteral(string literal) => text.Append(literal);

    public readonly void AppendFormatted(string? value) => text.Append(value is null ? "" : encoder.Encode(value));

    public readonly void AppendFormatted(Html value) => value.AppendTo(text);

    public readonly void AppendFormatted(IEnumerable<Html> values)
    {
        foreach (var value in values)
        {
            value.AppendTo(text);
        }
    }

    public readonly void AppendFormatted(long value) => text.Append(CultureInfo.InvariantCulture, $"{value}");
}
