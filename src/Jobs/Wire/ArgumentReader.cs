using System.Buffers;
using System.ComponentModel;
using System.Globalization;
using System.Text.Json;

namespace Jobs.Wire;

/// <summary>
/// Reads a job's arguments, positional ones first and then keywords, without boxing. Generated code calls
/// <see cref="Next"/> once per parameter, in order.
/// </summary>
/// <remarks>
/// Every error is a <see cref="JobFormatException"/> that names the task, the parameter, what was expected and what
/// came.
/// Dates, decimals, UUIDs and bytes are read in plain form and in kombu's <c>{"__type__", "__value__"}</c> envelope.
/// </remarks>
[EditorBrowsable(EditorBrowsableState.Never)]
public ref partial struct ArgumentReader
{
    readonly string task;
    ReadOnlySpan<string> parameters;
    readonly ReadOnlySpan<byte> keywords;
    readonly WireTypes types;
    readonly ReadOnlySpan<byte> arguments;
    Utf8JsonReader reader;
    bool positional;
    int matchedKeywords;
    int positionalCount;
    int index;

    /// <summary>Starts before the first parameter.</summary>
    /// <param name="task">The task's name, for messages.</param>
    /// <param name="arguments">The JSON array of positional arguments.</param>
    /// <param name="keywords">The JSON object of keyword arguments, or <c>null</c> as JSON.</param>
    /// <param name="parameters">The names of the parameters that travel, in order.</param>
    /// <param name="types">For types that are not built in.</param>
    internal ArgumentReader(string task, ReadOnlySpan<byte> arguments, ReadOnlySpan<byte> keywords, ReadOnlySpan<string> parameters, WireTypes types)
    {
        this.task = task;
        this.parameters = parameters;
        this.keywords = keywords;
        this.types = types;
        this.arguments = arguments;
        reader = new(arguments, WireTypes.ReaderOptions);
        reader.Read(); // the array's start
        positional = true;
        index = -1;
    }

    /// <summary>Reads one value inside another value, which the serializer reads.</summary>
    internal ArgumentReader(Utf8JsonReader at)
    {
        task = "";
        types = WireTypes.Default;
        reader = at;
    }

    /// <summary>The place up to which the arguments have been read.</summary>
    internal readonly Utf8JsonReader At => reader;

    /// <summary>The same arguments, read for a method with these parameters.</summary>
    public readonly ArgumentReader For(ReadOnlySpan<string> parameters) => this with { parameters = parameters };

    /// <summary>For types that are not built in.</summary>
    internal readonly WireTypes Types => types;

    /// <summary>Moves to the next parameter.</summary>
    /// <returns><see langword="false"/> when the caller did not send the parameter.</returns>
    public bool Next()
    {
        index++;
        if (positional)
        {
            if (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            {
                positionalCount++;
                return true;
            }

            positional = false;
        }

        return FindKeyword();
    }

    /// <summary>Moves to the next parameter, which has no default.</summary>
    public void Require()
    {
        if (!Next())
        {
            throw new JobFormatException($"Task '{task}' was called without '{parameters[index]}', which has no default.");
        }
    }

    /// <summary>Call this after the last parameter. Arguments that are left over are an error.</summary>
    public void End()
    {
        if (positional && reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            throw new JobFormatException($"Task '{task}' takes {parameters.Length} arguments; it was called with more.");
        }

        if (keywords.Length <= 2)
        {
            return; // {} – the common case
        }

        var names = new Utf8JsonReader(keywords, WireTypes.ReaderOptions);
        names.Read();
        var count = 0;
        string? stranger = null, byPosition = null, last = null;
        while (names.TokenType != JsonTokenType.Null && names.Read() && names.TokenType == JsonTokenType.PropertyName)
        {
            count++;
            var known = -1;
            for (var i = 0; i < parameters.Length && known < 0; i++)
            {
                known = names.ValueTextEquals(parameters[i]) ? i : -1;
            }

            stranger ??= known >= 0 ? null : names.GetString();
            byPosition ??= known >= 0 && known < positionalCount ? parameters[known] : null;
            last = names.GetString();
            names.Skip();
        }

        if (stranger is not null)
        {
            throw new JobFormatException($"Task '{task}' has no parameter '{stranger}'; it has: "
                + $"{(parameters.Length == 0 ? "none" : string.Join(", ", parameters!))}.");
        }

        if (byPosition is not null)
        {
            throw new JobFormatException($"Task '{task}' was given '{byPosition}' both by position and by keyword.");
        }

        if (count != matchedKeywords)
        {
            throw new JobFormatException($"Task '{task}' was given one of its keywords twice: {count} keywords came for {matchedKeywords} parameters; "
                + $"the last one is '{last}'.");
        }
    }

    bool FindKeyword()
    {
        if (keywords.Length <= 2)
        {
            return false;
        }

        reader = new(keywords, WireTypes.ReaderOptions);
        reader.Read();
        while (reader.TokenType != JsonTokenType.Null && reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var match = reader.ValueTextEquals(parameters[index]);
            reader.Read();
            if (match)
            {
                matchedKeywords++;
                return true;
            }

            reader.Skip();
        }

        return false;
    }

    /// <summary>Whether the value is JSON null; a nullable parameter takes <see langword="null"/> then.</summary>
    public readonly bool IsNull => reader.TokenType == JsonTokenType.Null;

    /// <summary>Enters an array; then call <see cref="NextItem"/> until it returns <see langword="false"/>.</summary>
    public readonly void StartArray() => Expect(JsonTokenType.StartArray, "an array");

    /// <summary>Moves to the next item of the array.</summary>
    public bool NextItem() => reader.Read() && reader.TokenType != JsonTokenType.EndArray;

    /// <summary>Enters an object; then call <see cref="NextKey"/> until it returns <see langword="false"/>.</summary>
    public readonly void StartMap() => Expect(JsonTokenType.StartObject, "an object");

    /// <summary>Moves to the next value of the object.</summary>
    public bool NextKey(out string key)
    {
        key = "";
        if (!reader.Read() || reader.TokenType == JsonTokenType.EndObject)
        {
            return false;
        }

        key = reader.GetString()!;
        return reader.Read();
    }

    /// <summary>Reads a string.</summary>
    public readonly string GetString()
    {
        Expect(JsonTokenType.String, "string");
        return reader.GetString()!;
    }

    /// <summary>Reads a boolean.</summary>
    public readonly bool GetBoolean() => reader.TokenType switch
    {
        JsonTokenType.True => true,
        JsonTokenType.False => false,
        _ => throw Wrong("boolean"),
    };

    /// <summary>Reads a character.</summary>
    public readonly char GetChar() => reader.TokenType == JsonTokenType.String && reader.GetString() is [var c] ? c : throw Wrong("a string of one character");

    /// <summary>Reads a byte.</summary>
    public readonly byte GetByte() => IsNumber && reader.TryGetByte(out var value) ? value : throw Wrong("byte");

    /// <summary>Reads a signed byte.</summary>
    public readonly sbyte GetSByte() => IsNumber && reader.TryGetSByte(out var value) ? value : throw Wrong("sbyte");

    /// <summary>Reads a 16-bit integer.</summary>
    public readonly short GetInt16() => IsNumber && reader.TryGetInt16(out var value) ? value : throw Wrong("short");

    /// <summary>Reads an unsigned 16-bit integer.</summary>
    public readonly ushort GetUInt16() => IsNumber && reader.TryGetUInt16(out var value) ? value : throw Wrong("ushort");

    /// <summary>Reads a 32-bit integer.</summary>
    public readonly int GetInt32() => IsNumber && reader.TryGetInt32(out var value) ? value : throw Wrong("int");

    /// <summary>Reads an unsigned 32-bit integer.</summary>
    public readonly uint GetUInt32() => IsNumber && reader.TryGetUInt32(out var value) ? value : throw Wrong("uint");

    /// <summary>Reads a 64-bit integer.</summary>
    public readonly long GetInt64() => IsNumber && reader.TryGetInt64(out var value) ? value : throw Wrong("long");

    /// <summary>Reads an unsigned 64-bit integer.</summary>
    public readonly ulong GetUInt64() => IsNumber && reader.TryGetUInt64(out var value) ? value : throw Wrong("ulong");

    /// <summary>Reads a single-precision number.</summary>
    public readonly float GetSingle() => IsNumber && reader.TryGetSingle(out var value) ? value : (float)NamedDouble("float");

    /// <summary>Reads a double-precision number.</summary>
    public readonly double GetDouble() => IsNumber && reader.TryGetDouble(out var value) ? value : NamedDouble("double");

    /// <summary>Reads a decimal: a number, a string, or kombu's envelope.</summary>
    public decimal GetDecimal()
    {
        if (IsNumber && reader.TryGetDecimal(out var number))
        {
            return number;
        }

        return Text("decimal") is { } text && decimal.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value)
            ? value
            : throw Wrong("decimal");
    }

    /// <summary>Reads a UUID: a string, or kombu's envelope.</summary>
    public Guid GetGuid() => Text("uuid") is { } text && Guid.TryParse(text, out var value) ? value : throw Wrong("Guid");

    /// <summary>Reads a date and time. A time without an offset is UTC, as in Celery.</summary>
    public DateTimeOffset GetDateTimeOffset() =>
        Text("datetime") is { } text && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var value)
            ? value
            : throw Wrong("DateTimeOffset");

    /// <summary>Reads a date and time as UTC.</summary>
    public DateTime GetDateTime() =>
        Text("datetime") is { } text
            && DateTime.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal | DateTimeStyles.AssumeUniversal, out var value)
            ? value
            : throw Wrong("DateTime");

    /// <summary>Reads a date. Celery 5.2 sends a date as midnight of that day.</summary>
    public DateOnly GetDateOnly()
    {
        var text = Text("date");
        return text is not null && DateOnly.TryParse(text.Split('T')[0], CultureInfo.InvariantCulture, out var value) ? value : throw Wrong("DateOnly");
    }

    /// <summary>Reads a time of day.</summary>
    public TimeOnly GetTimeOnly() =>
        Text("time") is { } text && TimeOnly.TryParse(text, CultureInfo.InvariantCulture, out var value) ? value : throw Wrong("TimeOnly");

    /// <summary>Reads a duration: <c>[d.]hh:mm:ss[.fffffff]</c>, or a number of seconds.</summary>
    public readonly TimeSpan GetTimeSpan()
    {
        if (IsNumber && reader.TryGetDouble(out var seconds) && Math.Abs(seconds) < TimeSpan.MaxValue.TotalSeconds)
        {
            return TimeSpan.FromSeconds(seconds);
        }

        return reader.TokenType == JsonTokenType.String && TimeSpan.TryParseExact(reader.GetString(), "c", CultureInfo.InvariantCulture, out var value)
            ? value
            : throw Wrong("TimeSpan ('hh:mm:ss' or seconds)");
    }

    /// <summary>Reads bytes: base64 text, or kombu's envelope.</summary>
    public byte[] GetBytes()
    {
        if (reader.TokenType == JsonTokenType.StartObject)
        {
            var (type, value) = Envelope();
            if (type == "bytes")
            {
                return System.Text.Encoding.UTF8.GetBytes(value);
            }

            return type == "base64" && TryBase64(value, out var decoded) ? decoded : throw Wrong("bytes (base64)");
        }

        return reader.TokenType == JsonTokenType.String && reader.TryGetBytesFromBase64(out var bytes) ? bytes : throw Wrong("bytes (base64)");
    }

    /// <summary>Reads an enum sent as its name or its number.</summary>
    /// <param name="expected">The type's name, for messages.</param>
    /// <param name="name">The name, when a name came.</param>
    /// <param name="number">The number, when a number came.</param>
    /// <returns>Whether a name came.</returns>
    public readonly bool GetEnum(string expected, out string name, out long number)
    {
        name = "";
        number = 0;
        if (reader.TokenType == JsonTokenType.String)
        {
            name = reader.GetString()!;
            return true;
        }

        return IsNumber && reader.TryGetInt64(out number) ? false : throw Wrong(expected);
    }

    /// <summary>Makes the error for a value that does not fit the parameter. Generated code uses it too.</summary>
    public readonly JobFormatException Wrong(string expected) => parameters.IsEmpty
        ? new($"Expected {expected}, got {Describe()}.")
        : new($"Task '{task}', parameter '{parameters[index]}'{Place()}: expected {expected}, got {Describe()}.");

    /// <summary>Reads any other type with the application's serializer options.</summary>
    public T GetObject<T>()
    {
        var start = this;
        try
        {
            var info = (System.Text.Json.Serialization.Metadata.JsonTypeInfo<T>)types.Of(typeof(T));
            return JsonSerializer.Deserialize(ref reader, info)!;
        }
        catch (Exception e) when (e is JsonException or NotSupportedException or FormatException or InvalidOperationException)
        {
            throw new JobFormatException($"Task '{task}', parameter '{parameters[index]}'{start.Place()}: expected {typeof(T).Name}, got "
                + $"{start.Describe()}. {e.Message}", e);
        }
    }

    /// <summary>
    /// Where the reader is inside the parameter's value, such as <c>[3]</c> or <c>["a"]</c>; empty for the value
    /// itself.
    /// </summary>
    readonly string Place() => JsonPlace.Of(positional ? arguments : keywords, reader.TokenStartIndex);

    readonly bool IsNumber => reader.TokenType == JsonTokenType.Number;

    readonly void Expect(JsonTokenType type, string expected)
    {
        if (reader.TokenType != type)
        {
            throw Wrong(expected);
        }
    }

    readonly double NamedDouble(string expected) => reader.TokenType == JsonTokenType.String ? reader.GetString() switch
    {
        "NaN" => double.NaN,
        "Infinity" => double.PositiveInfinity,
        "-Infinity" => double.NegativeInfinity,
        _ => throw Wrong(expected),
    } : throw Wrong(expected);

    readonly string Describe()
    {
        const int MaxShown = 40;
        switch (reader.TokenType)
        {
            case JsonTokenType.StartArray: return "an array";
            case JsonTokenType.StartObject or JsonTokenType.EndObject: return "an object";
            case JsonTokenType.Null: return "null";
        }

        var bytes = reader.HasValueSequence ? reader.ValueSequence.ToArray() : reader.ValueSpan;
        var text = System.Text.Encoding.UTF8.GetString(bytes[..Math.Min(bytes.Length, MaxShown)]) + (bytes.Length > MaxShown ? "…" : "");
        return reader.TokenType == JsonTokenType.String ? $"the string \"{text}\"" : text;
    }
}
