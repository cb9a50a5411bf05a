using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Jobs.Registry;
using Jobs.Wire;

namespace Jobs.Events;

/// <summary>
/// Writes JSON as Python's <c>repr</c> would: viewers show arguments and results so, and Flower reads them back. The
/// text is cut after 1,024 characters, and below three levels. A value that viewers must not see is passed over unread.
/// </summary>
ref struct PythonText
{
    /// <summary>How long a text can be.</summary>
    public const int Longest = Most + 3;

    const int Most = 1024;
    const int Deepest = 3;

    // Nobody reads more than the beginning of a large body, and the rest would cost each job its time.
    const int LargestBody = 256 * 1024;

    // A longer name is not looked at, and its value is not shown.
    const int LongestName = 1024;

    readonly Span<char> text;
    readonly SensitiveRule rule;
    readonly TaskDefinition? task; // knows the arguments: the values on the first level
    int length;
    bool isFull;

    PythonText(Span<char> text, SensitiveRule rule, TaskDefinition? task = null)
    {
        this.text = text;
        (this.rule, this.task) = (rule, task);
    }

    /// <summary>The arguments and keyword arguments of a job, as a tuple and a dictionary.</summary>
    /// <param name="body">The body of the job's message.</param>
    /// <param name="task">The task of the job, if it is known.</param>
    /// <param name="rule">Which values are not shown.</param>
    /// <param name="args">Room for <see cref="Longest"/> characters; afterwards the text.</param>
    /// <param name="kwargs">As <paramref name="args"/>.</param>
    public static void OfBody(
        ReadOnlySpan<byte> body, TaskDefinition? task, SensitiveRule rule, scoped ref Span<char> args, scoped ref Span<char> kwargs)
    {
        var positional = new PythonText(args, rule, task);
        var keywords = new PythonText(kwargs, rule, task);
        try
        {
            var reader = new Utf8JsonReader(body, WireTypes.ReaderOptions);
            if (body.Length > LargestBody || !reader.Read() || reader.TokenType != JsonTokenType.StartArray)
            {
                throw new JsonException();
            }

            positional.Next(ref reader, isTuple: true);
            keywords.Next(ref reader, isTuple: false);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            positional.Replace("(...)");
            keywords.Replace("{...}");
        }

        args = args[..positional.length];
        kwargs = kwargs[..keywords.length];
    }

    /// <summary>A value.</summary>
    /// <param name="json">The value as JSON.</param>
    /// <param name="rule">Which properties of the value are not shown.</param>
    /// <param name="into">Room for <see cref="Longest"/> characters.</param>
    /// <returns>The text.</returns>
    public static Span<char> OfValue(ReadOnlySpan<byte> json, SensitiveRule rule, Span<char> into)
    {
        var text = new PythonText(into, rule);
        try
        {
            var reader = new Utf8JsonReader(json, WireTypes.ReaderOptions);
            text.Next(ref reader, isTuple: false);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            text.Replace("...");
        }

        return into[..text.length];
    }

    /// <summary>An exception: <c>ValueError('no')</c>.</summary>
    /// <param name="type">The name of its type. Namespaces are left out, because Python's have none here.</param>
    /// <param name="message">Its message.</param>
    /// <param name="into">Room for <see cref="Longest"/> characters.</param>
    /// <returns>The text.</returns>
    public static Span<char> OfError(string type, string message, Span<char> into)
    {
        var text = new PythonText(into, SensitiveRule.None);
        text.Add(type.AsSpan(type.LastIndexOf('.') + 1));
        text.Add("(");
        text.AddQuoted(message);
        text.Add(")");
        return into[..text.length];
    }

    void Next(ref Utf8JsonReader reader, bool isTuple)
    {
        if (!reader.Read())
        {
            throw new JsonException();
        }

        Value(ref reader, 0, isTuple);
    }

    // Leaves the reader at the end of the value, also when the text is full.
    void Value(ref Utf8JsonReader reader, int depth, bool isTuple = false)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.StartArray:
                List(ref reader, depth, isTuple);
                break;
            case JsonTokenType.StartObject:
                Dictionary(ref reader, depth);
                break;
            case JsonTokenType.String:
                Text(ref reader);
                break;
            case JsonTokenType.True:
                Add("True");
                break;
            case JsonTokenType.False:
                Add("False");
                break;
            case JsonTokenType.Null:
                Add("None");
                break;
            default:
                Number(reader.ValueSpan);
                break;
        }
    }

    void List(ref Utf8JsonReader reader, int depth, bool isTuple)
    {
        Add(isTuple ? "(" : "[");
        var count = 0;
        if (depth >= Deepest || isFull)
        {
            Add("...");
            reader.Skip();
        }
        else
        {
            for (; reader.Read() && reader.TokenType != JsonTokenType.EndArray; count++)
            {
                Add(count > 0 ? ", " : "");
                Item(ref reader, depth, depth == 0 && rule.Hides(task, count));
            }
        }

        Add(!isTuple ? "]" : count == 1 ? ",)" : ")");
    }

    void Dictionary(ref Utf8JsonReader reader, int depth)
    {
        Add("{");
        if (depth >= Deepest || isFull)
        {
            Add("...");
            reader.Skip();
        }
        else
        {
            for (var count = 0; reader.Read() && reader.TokenType != JsonTokenType.EndObject; count++)
            {
                Add(count > 0 ? ", " : "");
                var isHidden = isFull || Hides(reader, depth);
                Text(ref reader);
                Add(": ");
                reader.Read();
                Item(ref reader, depth, isHidden);
            }
        }

        Add("}");
    }

    void Item(ref Utf8JsonReader reader, int depth, bool isHidden)
    {
        if (isHidden)
        {
            reader.Skip();
            Add(SensitiveRule.Mask);
        }
        else
        {
            Value(ref reader, depth + 1);
        }
    }

    readonly bool Hides(in Utf8JsonReader reader, int depth)
    {
        if (reader.ValueSpan.Length > LongestName)
        {
            return true;
        }

        Span<char> name = stackalloc char[LongestName];
        return rule.Hides(name[..reader.CopyString(name)], depth == 0 ? task : null);
    }

    void Text(ref Utf8JsonReader reader)
    {
        const int Beginning = 2 * Most; // enough bytes or characters for what is shown
        if (isFull)
        {
            return;
        }

        Span<char> buffer = stackalloc char[Beginning];
        if (reader.ValueSpan.Length <= Beginning)
        {
            AddQuoted(buffer[..reader.CopyString(buffer)]);
            return;
        }

        // Escapes stay as they are in so long a text: unescaping would need room for all of it.
        Utf8.ToUtf16(reader.ValueSpan[..Beginning], buffer, out _, out var written, replaceInvalidSequences: true);
        AddQuoted(buffer[..written]);
    }

    void Number(ReadOnlySpan<byte> digits)
    {
        Span<char> buffer = stackalloc char[Math.Min(digits.Length, Most)];
        Add(buffer[..Encoding.ASCII.GetChars(digits[..buffer.Length], buffer)]);
    }

    void AddQuoted(scoped ReadOnlySpan<char> value)
    {
        var quote = value.Contains('\'') && !value.Contains('"') ? '"' : '\'';
        Add([quote]);
        foreach (var character in value)
        {
            switch (character)
            {
                case '\\' or '\'' or '"' when character == '\\' || character == quote:
                    Add(['\\', character]);
                    break;
                case '\n':
                    Add("\\n");
                    break;
                case '\r':
                    Add("\\r");
                    break;
                case '\t':
                    Add("\\t");
                    break;
                case < ' ' or '\x7f':
                    Add(string.Create(CultureInfo.InvariantCulture, $"\\x{(int)character:x2}"));
                    break;
                default:
                    Add([character]);
                    break;
            }

            if (isFull)
            {
                return;
            }
        }

        Add([quote]);
    }

    void Replace(string whole)
    {
        (length, isFull) = (0, false);
        Add(whole);
    }

    void Add(scoped ReadOnlySpan<char> part)
    {
        if (isFull)
        {
            return;
        }

        isFull = length + part.Length > Most;
        var fits = Math.Min(part.Length, Most - length);
        part[..fits].CopyTo(text[length..]);
        length += fits;
        if (isFull)
        {
            "...".CopyTo(text[length..]);
            length += 3;
        }
    }
}
