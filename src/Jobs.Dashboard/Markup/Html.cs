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
/// <param name="Text">The markup.</param>
readonly record struct Html(string? Text)
{
    public static Html Empty => default;

    public bool IsEmpty => string.IsNullOrEmpty(Text);

    /// <summary>The literal parts of the string as they are, the values encoded.</summary>
    public static Html Of(HtmlText text) => new(text.ToString());

    /// <summary>All pieces, one after another.</summary>
    public static Html Join(IEnumerable<Html> pieces) => new(string.Concat(pieces.Select(piece => piece.Text)));

    public override string ToString() => Text ?? "";
}

/// <summary>What the compiler turns an interpolated string of HTML into.</summary>
[InterpolatedStringHandler]
ref struct HtmlText
{
    // All scripts stay readable. Controls and what has a meaning in HTML is encoded in any case.
    static readonly HtmlEncoder encoder = HtmlEncoder.Create(UnicodeRanges.All);

    readonly StringBuilder text;

    public HtmlText(int literalLength, int formattedCount) => text = new(literalLength + formattedCount * 16);

    public readonly void AppendLiteral(string literal) => text.Append(literal);

    public readonly void AppendFormatted(string? value) => text.Append(value is null ? "" : encoder.Encode(value));

    public readonly void AppendFormatted(Html value) => text.Append(value.Text);

    public readonly void AppendFormatted(IEnumerable<Html> values)
    {
        foreach (var value in values)
        {
            text.Append(value.Text);
        }
    }

    public readonly void AppendFormatted(long value) => text.Append(CultureInfo.InvariantCulture, $"{value}");

    public override readonly string ToString() => text.ToString();
}
