using System.ComponentModel;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Jobs.Wire;

/// <summary>
/// Writes a job's arguments, or its task's result, without boxing. Generated code calls its methods. The counterpart of
/// <see cref="ArgumentReader"/>.
/// </summary>
/// <remarks>
/// All formats of values are here. Calls by name use these formats too: <see cref="WriteValue"/> writes the same text
/// as the method for the value's type. This is a ref struct, because the JSON writer behind it is used again for the
/// next job.
/// </remarks>
[EditorBrowsable(EditorBrowsableState.Never)]
public readonly ref partial struct ArgumentWriter
{
    readonly Utf8JsonWriter writer;
    readonly WireTypes types;

    /// <param name="writer">The JSON writer to write to.</param>
    /// <param name="types">For types that are not built in.</param>
    internal ArgumentWriter(Utf8JsonWriter writer, WireTypes types)
    {
        this.writer = writer;
        this.types = types;
    }

    /// <summary>Starts an array; its items follow, then <see cref="EndArray"/>.</summary>
    public void StartArray() => writer.WriteStartArray();

    /// <summary>Ends an array.</summary>
    public void EndArray() => writer.WriteEndArray();

    /// <summary>
    /// Starts an object; pairs of <see cref="WriteKey"/> and a value follow, then <see cref="EndMap"/>.
    /// </summary>
    public void StartMap() => writer.WriteStartObject();

    /// <summary>Writes the key of the next value.</summary>
    public void WriteKey(string key) => writer.WritePropertyName(Checked(key));

    /// <summary>Ends an object.</summary>
    public void EndMap() => writer.WriteEndObject();

    /// <summary>Writes JSON null.</summary>
    public void WriteNull() => writer.WriteNullValue();

    /// <summary>Writes a string, or null.</summary>
    public void WriteString(string? value) => writer.WriteStringValue(Checked(value));

    /// <summary>Writes a boolean.</summary>
    public void WriteBoolean(bool value) => writer.WriteBooleanValue(value);

    /// <summary>Writes a signed integer.</summary>
    public void WriteNumber(long value) => writer.WriteNumberValue(value);

    /// <summary>Writes an unsigned integer.</summary>
    public void WriteNumber(ulong value) => writer.WriteNumberValue(value);

    /// <summary>Writes a decimal number.</summary>
    public void WriteNumber(decimal value) => writer.WriteNumberValue(value);

    /// <summary>Writes a single-precision number.</summary>
    public void WriteNumber(float value)
    {
        if (float.IsFinite(value))
        {
            writer.WriteNumberValue(value);
        }
        else
        {
            WriteNotFinite(value);
        }
    }

    /// <summary>Writes a double-precision number.</summary>
    public void WriteNumber(double value)
    {
        if (double.IsFinite(value))
        {
            writer.WriteNumberValue(value);
        }
        else
        {
            WriteNotFinite(value);
        }
    }

    /// <summary>Writes a character, as a string of one character.</summary>
    public void WriteChar(char value) => writer.WriteStringValue(Checked(new ReadOnlySpan<char>(in value)));

    /// <summary>Writes a UUID.</summary>
    public void WriteGuid(Guid value) => writer.WriteStringValue(value);

    /// <summary>
    /// Writes a date and time as UTC, to the microsecond. A time without a kind is UTC, as for the reader and for
    /// Celery.
    /// </summary>
    public void WriteDateTime(DateTime value) => WriteUtc(value.Kind == DateTimeKind.Local ? value.ToUniversalTime() : value);

    /// <summary>Writes a date and time as UTC, to the microsecond.</summary>
    public void WriteDateTimeOffset(DateTimeOffset value) => WriteUtc(value.UtcDateTime);

    /// <summary>Writes a date: <c>yyyy-MM-dd</c>.</summary>
    public void WriteDateOnly(DateOnly value) => WriteText(value, "yyyy-MM-dd");

    /// <summary>Writes a time of day, to the microsecond.</summary>
    public void WriteTimeOnly(TimeOnly value) => WriteText(value, value == TimeOnly.MaxValue ? "HH:mm:ss.fffffff" : "HH:mm:ss.ffffff");

    /// <summary>Writes a duration: <c>[d.]hh:mm:ss[.fffffff]</c>.</summary>
    public void WriteTimeSpan(TimeSpan value) => WriteText(value, "c");

    /// <summary>Writes bytes as base64.</summary>
    public void WriteBytes(byte[] value) => writer.WriteBase64StringValue(value);

    /// <summary>Writes a value of an enum: its name, or its number when it has no name.</summary>
    public void WriteEnum(string? name, long number)
    {
        if (name is not null)
        {
            writer.WriteStringValue(name);
        }
        else
        {
            writer.WriteNumberValue(number);
        }
    }

    /// <summary>Writes any other type with the application's serializer options.</summary>
    public void WriteObject<T>(T value)
    {
        if (typeof(T) == typeof(object))
        {
            WriteValue(value);
            return;
        }

        try
        {
            JsonSerializer.Serialize(writer, value, (JsonTypeInfo<T>)types.Of(typeof(T)));
        }
        catch (Exception e)
        {
            throw new UnwritableException(typeof(T), e);
        }
    }

    /// <summary>
    /// Refuses a text with half a surrogate pair. UTF-8 cannot hold it: the JSON writer would send a replacement
    /// character, which is another text.
    /// </summary>
    static ReadOnlySpan<char> Checked(ReadOnlySpan<char> text)
    {
        const char FirstSurrogate = '\ud800', LastSurrogate = '\udfff';
        if (text.IndexOfAnyInRange(FirstSurrogate, LastSurrogate) is var at and >= 0)
        {
            for (; at < text.Length; at++)
            {
                if (char.IsSurrogate(text[at]) && (at + 1 == text.Length || !char.IsSurrogatePair(text[at], text[++at])))
                {
                    throw new ArgumentException("a text contains half a surrogate pair, which cannot be sent");
                }
            }
        }

        return text;
    }

    [return: System.Diagnostics.CodeAnalysis.NotNullIfNotNull(nameof(text))]
    static string? Checked(string? text)
    {
        Checked(text.AsSpan());
        return text;
    }

    // JSON has no such numbers. Our reader and Celery's know these names.
    void WriteNotFinite(double value) => writer.WriteStringValue(double.IsNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");

    void WriteUtc(DateTime value) => WriteText(value, value.Ticks == DateTime.MaxValue.Ticks ? WireTime.PatternOfMax : WireTime.Pattern);

    void WriteText<T>(T value, string format)
        where T : IUtf8SpanFormattable
    {
        Span<byte> text = stackalloc byte[40]; // the longest is a time with 32
        value.TryFormat(text, out var length, format, CultureInfo.InvariantCulture);
        writer.WriteStringValue(text[..length]);
    }
}
