using System.Text.Json;
using System.Text.Unicode;

namespace Jobs.Wire;

/// <summary>The three parts of a message body, <c>[args, kwargs, embed]</c>, as slices of the body.</summary>
readonly record struct JobBody(ReadOnlyMemory<byte> Arguments, ReadOnlyMemory<byte> Keywords, ReadOnlyMemory<byte> Embed)
{
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

    /// <summary>Writes a body.</summary>
    /// <param name="task">The task's name, for messages.</param>
    /// <param name="arguments">The arguments of the job.</param>
    /// <param name="types">For types that are not built in.</param>
    /// <param name="embed">Writes what shall follow the job, as one JSON object. Defaults to nothing.</param>
    /// <exception cref="ArgumentException">
    /// An argument cannot be written, or a getter or a sequence of the caller threw.
    /// </exception>
    public static byte[] Write(string task, JobArguments arguments, WireTypes types, Action<Utf8JsonWriter>? embed = null)
    {
        using var buffer = JsonBuffer.Take();
        var body = buffer.Writer;
        var writer = new ArgumentWriter(body, types);
        body.WriteStartArray();
        WriteArguments(task, arguments, writer, body, asProperties: false);
        if (embed is null)
        {
            body.WriteRawValue(Jobs.Wire.Embed.Nothing, skipInputValidation: true);
        }
        else
        {
            embed(body);
        }

        body.WriteEndArray();
        return buffer.ToArray();
    }

    /// <summary>
    /// Writes the positional arguments as an array, and the keyword arguments as an object: as the next two items of an
    /// array, or as the properties <c>args</c> and <c>kwargs</c> of an object.
    /// </summary>
    /// <exception cref="ArgumentException">An argument cannot be written.</exception>
    public static void WriteArguments(string task, JobArguments arguments, ArgumentWriter writer, Utf8JsonWriter json, bool asProperties)
    {
        try
        {
            Name("args");
            json.WriteStartArray();
            arguments.WritePositional(writer);
            json.WriteEndArray();
            Name("kwargs");
            json.WriteStartObject();
            arguments.WriteKeywords(writer);
            json.WriteEndObject();
        }
        catch (Exception e) // any exception: getters and iterators are the caller's code
        {
            throw new ArgumentException($"Job '{task}' has arguments that cannot be written: {UnwritableException.Explain(e)}", UnwritableException.CauseOf(e));
        }

        void Name(string name)
        {
            if (asProperties)
            {
                json.WritePropertyName(name);
            }
        }
    }
}
