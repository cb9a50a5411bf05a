using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Jobs.Dashboard.Arguments;

/// <summary>
/// Arguments and results as events carry them, which is Python's notation, made into JSON: for reading, and as the first
/// draft when a job is enqueued again.
/// </summary>
/// <param name="Json">The JSON, indented. Sensitive values are replaced by three stars.</param>
/// <param name="IsExact">
/// Whether the JSON says all: nothing was cut off or hidden, and nothing was of a type that JSON does not have.
/// </param>
readonly partial record struct ArgumentText(string Json, bool IsExact)
{
    /// <summary>What stands for a value that nobody shall see.</summary>
    public const string Mask = "***";

    static readonly JsonWriterOptions indented = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    static readonly JsonWriterOptions plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <param name="python">The text of an event.</param>
    /// <param name="sensitive">Parts of the names whose values nobody shall see.</param>
    /// <param name="isIndented">Whether the JSON has a line for each value.</param>
    public static ArgumentText Of(string python, IReadOnlyList<string> sensitive, bool isIndented = true)
    {
        using var buffer = new MemoryStream();
        var isExact = true;
        using (var json = new Utf8JsonWriter(buffer, isIndented ? indented : plain))
        {
            var reader = new PythonReader(python, new(sensitive), json);
            reader.Read();
            isExact = reader.IsExact;
        }

        var written = Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
        return new(EscapedPair().Replace(written, static pair => $"{Half(pair.Groups[1])}{Half(pair.Groups[2])}"), isExact);
    }

    // An emoji, and whatever else lies above U+FFFF. The writer escapes these with every encoder, and nobody can read them
    // so. No other text looks like such a pair, because the writer doubles its backslashes.
    [GeneratedRegex(@"\\u(D[89AB][0-9A-F]{2})\\u(D[C-F][0-9A-F]{2})")]
    private static partial Regex EscapedPair();

    static char Half(Group digits) => (char)int.Parse(digits.ValueSpan, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}

/// <summary>Which names have values that nobody shall see.</summary>
/// <param name="parts">Parts of such names. Upper and lower case, and strokes between words, do not count.</param>
sealed class SensitiveNames(IReadOnlyList<string> parts)
{
    readonly string[] parts = [.. parts.Select(Simple)];

    public bool Has(string name) => Simple(name) is var simple && Array.Exists(parts, part => simple.Contains(part, StringComparison.OrdinalIgnoreCase));

    static string Simple(string name) => name.Replace("_", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal);
}
