using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Jobs.Dashboard.Arguments;

/// <summary>Reads one value in Python's notation, or in JSON, and writes it as JSON.</summary>
/// <remarks>
/// The text may be cut off anywhere, and may hold anything: a worker can send what it likes. So the reader never gives
/// up. What it does not know becomes a text, and what is open at the end is closed.
/// </remarks>
ref struct PythonReader(ReadOnlySpan<char> text, SensitiveNames sensitive, Utf8JsonWriter json)
{
    const int Deepest = 60;

    readonly ReadOnlySpan<char> text = text;
    readonly SensitiveNames sensitive = sensitive;
    readonly Utf8JsonWriter json = json;
    int at;
    int depth;
    int hidden; // inside a value that nobody shall see, nothing is written

    /// <summary>Whether the JSON says all that the text says.</summary>
    public bool IsExact { get; private set; } = true;

    public void Read()
    {
        Value();
        Spaces();
        if (at < text.Length)
        {
            IsExact = false;
        }
    }

    readonly bool IsWriting => hidden == 0;

    void Value()
    {
        Spaces();
        if (at >= text.Length)
        {
            IsExact = false;
            Text("…");
            return;
        }

        switch (text[at])
        {
            case '[' when depth < Deepest: List(']'); break;
            case '(' when depth < Deepest: List(')'); break;
            case '{' when depth < Deepest: Dictionary(); break;
            case '\'' or '"': Text(String()); break;
            default: Word(); break;
        }
    }

    void List(char end)
    {
        at++;
        depth++;
        if (IsWriting)
        {
            json.WriteStartArray();
        }

        while (More(end))
        {
            var before = at;
            Value();
            Comma();
            at += at == before ? 1 : 0; // a closing bracket of another kind
        }

        depth--;
        if (IsWriting)
        {
            json.WriteEndArray();
        }
    }

    void Dictionary()
    {
        at++;
        depth++;
        if (IsWriting)
        {
            json.WriteStartObject();
        }

        while (More('}'))
        {
            var before = at;
            var name = Name();
            var isHidden = sensitive.Has(name);
            if (IsWriting)
            {
                json.WritePropertyName(name);
            }

            Spaces();
            if (at < text.Length && text[at] == ':')
            {
                at++;
                Member(isHidden);
            }
            else
            {
                IsExact = false;
                Text("…");
            }

            Comma();
            at += at == before ? 1 : 0;
        }

        depth--;
        if (IsWriting)
        {
            json.WriteEndObject();
        }
    }

    void Member(bool isHidden)
    {
        if (!isHidden)
        {
            Value();
            return;
        }

        hidden++;
        Value();
        hidden--;
        IsExact = false;
        Text(ArgumentText.Mask);
    }

    string Name()
    {
        Spaces();
        if (at < text.Length && text[at] is '\'' or '"')
        {
            return String();
        }

        IsExact = false; // JSON's names are texts
        return Rest(":,}").ToString();
    }

    bool More(char end)
    {
        Spaces();
        if (at >= text.Length)
        {
            IsExact = false;
            return false;
        }

        if (text[at] == end)
        {
            at++;
            return false;
        }

        return true;
    }

    void Comma()
    {
        Spaces();
        if (at < text.Length && text[at] == ',')
        {
            at++;
        }
    }

    void Spaces()
    {
        while (at < text.Length && char.IsWhiteSpace(text[at]))
        {
            at++;
        }
    }

    void Word()
    {
        var word = Rest(",)]}");
        switch (word)
        {
            case "None" or "null" when IsWriting: json.WriteNullValue(); break;
            case "True" or "true" or "False" or "false" when IsWriting: json.WriteBooleanValue(word is "True" or "true"); break;
            case var _ when IsNumber(word): Number(word); break;
            case "None" or "null" or "True" or "true" or "False" or "false": break;
            default:
                IsExact = false;
                Text(word.Length == 0 || word is "..." ? "…" : Unknown(word.ToString()));
                break;
        }
    }

    // <User: bob, password='x'>: which part of such a text is the password, only its own program knows.
    readonly string Unknown(string word) => sensitive.Has(word) ? ArgumentText.Mask : word;

    // Up to the end of a value that is none of the others: <User: (bob)>, datetime.date(2026, 1, 2), Decimal('1').
    ReadOnlySpan<char> Rest(ReadOnlySpan<char> ends)
    {
        var (start, open) = (at, 0);
        for (; at < text.Length && (open > 0 || !ends.Contains(text[at])); at++)
        {
            open += text[at] is '(' or '[' or '{' or '<' ? 1 : text[at] is ')' or ']' or '}' or '>' ? -1 : 0;
            if (text[at] is '\'' or '"')
            {
                String();
                at--;
            }
        }

        return text[start..Math.Min(at, text.Length)].Trim();
    }

    string String()
    {
        var quote = text[at++];
        var found = new StringBuilder();
        while (at < text.Length && text[at] != quote)
        {
            if (text[at] == '\\' && at + 1 < text.Length)
            {
                Escape(found);
            }
            else
            {
                found.Append(text[at++]);
            }
        }

        var (isCut, value) = (at >= text.Length, found.ToString());
        at = Math.Min(at + 1, text.Length);
        IsExact &= !isCut && !value.EndsWith("...", StringComparison.Ordinal); // so Python cuts a text inside its quotes
        return isCut ? $"{value.TrimEnd('.')}…" : value;
    }

    void Escape(StringBuilder found)
    {
        var kind = text[at + 1];
        at += 2;
        var digits = kind switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
        if (digits > 0 && at + digits <= text.Length
            && int.TryParse(text.Slice(at, digits), NumberStyles.AllowHexSpecifier, null, out var code))
        {
            at += digits;
            found.Append(Rune.IsValid(code) ? new Rune(code).ToString() : ((char)code).ToString());
            return;
        }

        found.Append(kind switch { 'n' => '\n', 'r' => '\r', 't' => '\t', 'b' => '\b', 'f' => '\f', _ => kind });
    }

    readonly void Text(string value)
    {
        if (IsWriting)
        {
            json.WriteStringValue(value);
        }
    }

    // With all its digits. The writer does not indent what it is given raw, so that is only for what has too many of them.
    readonly void Number(ReadOnlySpan<char> value)
    {
        if (!IsWriting)
        {
            return;
        }

        if (decimal.TryParse(value, NumberStyles.Number, CultureInfo.InvariantCulture, out var number)
            && value.SequenceEqual(number.ToString(CultureInfo.InvariantCulture)))
        {
            json.WriteNumberValue(number);
        }
        else
        {
            json.WriteRawValue(value);
        }
    }

    // As JSON has them. Python's nan, inf and 1_000 are none.
    static bool IsNumber(ReadOnlySpan<char> word)
    {
        var digits = word.StartsWith("-") ? word[1..] : word;
        if (digits.IsEmpty || !char.IsAsciiDigit(digits[0]) || (digits.Length > 1 && digits[0] == '0' && char.IsAsciiDigit(digits[1])))
        {
            return false;
        }

        return word.IndexOfAnyExcept("0123456789+-.eE") < 0 && char.IsAsciiDigit(word[^1])
            && double.TryParse(word, NumberStyles.Float, CultureInfo.InvariantCulture, out _)
            && !digits.Contains(".e", StringComparison.OrdinalIgnoreCase);
    }
}
