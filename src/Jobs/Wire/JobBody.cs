using System.Text.Json;
using System.Text.Unicode;

namespace Jobs.Wire;

/// <summary>The three parts of a message body, <c>[args, kwargs, embed]</c>, as slices of the body.</summary>
readonly record struct JobBody(ReadOnlyMemory<byte> Arguments, ReadOnlyMemory<byte> Keywords, ReadOnlyMemory<byte> Embed)
{
    static ReadOnlySpan<byte> NoEmbed => """{"callbacks":null,"errbacks":null,"chain":null,"chord":null}"""u8;

    /// <summary>Splits a body. Checks every byte, so that later readers of the parts find no malformed JSON.</summary>
    /// <exception cref="JobFormatException">The body is not such an array.</exception>
    public static JobBody Read(ReadOnlyMemory<byte> body)
    {
        try
        {
            var reader = new Utf8JsonReader(body.Span, WireTypes.ReaderOptions);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartArray)
            {
                throw new JobFormatException($"The body is not a JSON array of arguments, keyword arguments and embed, but {reader.TokenType}.");
            }

            var arguments = Part(ref reader, body, JsonTokenType.StartArray, "arguments, an array", optional: false);
            var keywords = Part(ref reader, body, JsonTokenType.StartObject, "keyword arguments, an object", optional: true);
            var embed = Part(ref reader, body, JsonTokenType.StartObject, "embed, an object", optional: true);
            if (!reader.Read() || reader.TokenType != JsonTokenType.EndArray || reader.Read())
            {
                throw new JobFormatException("The body has more than three elements.");
            }

            CheckText(body.Span);
            return new(arguments, keywords, embed);
        }
        catch (JsonException e)
        {
            throw new JobFormatException($"The body is not JSON: {e.Message}", e);
        }
    }

    // Utf8JsonReader accepts bytes and escapes that are no text, and throws InvalidOperationException when somebody
    // reads them later.
    static void CheckText(ReadOnlySpan<byte> body)
    {
        if (!Utf8.IsValid(body))
        {
            throw new JobFormatException("The body is not UTF-8.");
        }

        if (body.IndexOf("\\ud"u8) < 0 && body.IndexOf("\\uD"u8) < 0)
        {
            return;
        }

        try
        {
            var reader = new Utf8JsonReader(body, WireTypes.ReaderOptions);
            while (reader.Read())
            {
                if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName && reader.ValueIsEscaped)
                {
                    reader.GetString();
                }
            }
        }
        catch (InvalidOperationException e)
        {
            throw new JobFormatException("The body has a text that contains half a surrogate pair.", e);
        }
    }

    static ReadOnlyMemory<byte> Part(ref Utf8JsonReader reader, ReadOnlyMemory<byte> body, JsonTokenType type, string name, bool optional)
    {
        if (!reader.Read() || (reader.TokenType != type && !(optional && reader.TokenType == JsonTokenType.Null)))
        {
            throw new JobFormatException($"The body must have its {name}; it has {reader.TokenType} there.");
        }

        var start = (int)reader.TokenStartIndex;
        reader.Skip();
        return body[start..(int)reader.BytesConsumed];
    }

    /// <summary>
    /// The work that shall follow the task, in Celery's words: callbacks, errbacks, chain or chord. Jobs does not
    /// support these yet, so a job that asks for one must not run as if it asked for nothing.
    /// </summary>
    /// <returns>The first such word in the embed, or <see langword="null"/>.</returns>
    public string? Asks()
    {
        if (Embed.Span.SequenceEqual(NoEmbed) || Embed.IsEmpty)
        {
            return null;
        }

        var reader = new Utf8JsonReader(Embed.Span, WireTypes.ReaderOptions);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var word = reader.GetString();
            reader.Read();
            var start = reader;
            reader.Skip();
            var isEmpty = start.TokenType is JsonTokenType.Null or JsonTokenType.False
                || (start.TokenType is JsonTokenType.StartArray or JsonTokenType.StartObject
                    && start.Read() && start.TokenType is JsonTokenType.EndArray or JsonTokenType.EndObject);
            if (!isEmpty && word is "callbacks" or "errbacks" or "chain" or "chord")
            {
                return word;
            }
        }

        return null;
    }

    /// <summary>Writes a body.</summary>
    /// <param name="task">The task's name, for messages.</param>
    /// <param name="arguments">The arguments of the job.</param>
    /// <param name="types">For types that are not built in.</param>
    /// <exception cref="ArgumentException">
    /// An argument cannot be written, or a getter or a sequence of the caller threw.
    /// </exception>
    public static byte[] Write(string task, JobArguments arguments, WireTypes types)
    {
        using var buffer = JsonBuffer.Take();
        var body = buffer.Writer;
        var writer = new ArgumentWriter(body, types);
        body.WriteStartArray();
        try
        {
            body.WriteStartArray();
            arguments.WritePositional(writer);
            body.WriteEndArray();
            body.WriteStartObject();
            arguments.WriteKeywords(writer);
            body.WriteEndObject();
        }
        catch (Exception e) // any exception: getters and iterators are the caller's code
        {
            throw new ArgumentException($"Job '{task}' has arguments that cannot be written: {UnwritableException.Explain(e)}", UnwritableException.CauseOf(e));
        }

        body.WriteRawValue(NoEmbed, skipInputValidation: true);
        body.WriteEndArray();
        return buffer.ToArray();
    }
}
