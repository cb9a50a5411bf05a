using System.Buffers;
using System.Text.Json;
using System.Text.Unicode;

namespace Jobs.Wire;

/// <summary>The three parts of a message body, <c>[args, kwargs, embed]</c>, as slices of it.</summary>
readonly record struct JobBody(ReadOnlyMemory<byte> Arguments, ReadOnlyMemory<byte> Keywords, ReadOnlyMemory<byte> Embed)
{
    [ThreadStatic]
    static Utf8JsonWriter? writer;

    [ThreadStatic]
    static ArrayBufferWriter<byte>? buffer;

    /// <summary>Splits a body and checks it to its last byte, so that nothing read from it later can be malformed.</summary>
    /// <exception cref="JobFormatException">It is not such an array.</exception>
    public static JobBody Read(ReadOnlyMemory<byte> body)
    {
        try
        {
            var reader = new Utf8JsonReader(body.Span);
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

    // The reader accepts bytes and escapes that are no text, and throws InvalidOperationException where they are read later.
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
            var reader = new Utf8JsonReader(body);
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
            throw new JobFormatException("The body has text with half a surrogate pair in it.", e);
        }
    }

    static ReadOnlyMemory<byte> Part(ref Utf8JsonReader reader, ReadOnlyMemory<byte> body, JsonTokenType type, string name, bool optional)
    {
        if (!reader.Read() || (reader.TokenType != type && !(optional && reader.TokenType == JsonTokenType.Null)))
        {
            throw new JobFormatException($"The body's {name}, came as {reader.TokenType}.");
        }

        var start = (int)reader.TokenStartIndex;
        reader.Skip();
        return body[start..(int)reader.BytesConsumed];
    }

    /// <summary>Writes a body. The writer and its buffer are kept per thread; only the exact bytes are allocated.</summary>
    public static byte[] Write(JobArguments arguments, JsonSerializerOptions json)
    {
        var bytes = buffer ??= new(1024);
        var body = writer ??= new(bytes, new() { Encoder = json.Encoder, SkipValidation = true });
        try
        {
            body.WriteStartArray();
            body.WriteStartArray();
            arguments.WritePositional(body, json);
            body.WriteEndArray();
            body.WriteStartObject();
            arguments.WriteKeywords(body, json);
            body.WriteEndObject();
            body.WriteRawValue("""{"callbacks":null,"errbacks":null,"chain":null,"chord":null}"""u8, skipInputValidation: true);
            body.WriteEndArray();
            body.Flush();
            return bytes.WrittenSpan.ToArray();
        }
        finally
        {
            // After an exception the writer is in the middle of a value: both start again. A buffer that one large job blew up is let go.
            const int KeptCapacity = 64 * 1024;
            if (bytes.Capacity > KeptCapacity)
            {
                buffer = null;
                writer = null;
            }
            else
            {
                bytes.ResetWrittenCount();
                body.Reset();
            }
        }
    }
}
