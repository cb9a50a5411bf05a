using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Jobs.Wire;

/// <summary>
/// Writes and reads built-in types inside other types in the same way as parameters of these types, including kombu's
/// envelopes and times without an offset.
/// </summary>
static class WireConverters
{
    delegate T Read<out T>(ref ArgumentReader reader);

    delegate void Write<in T>(ArgumentWriter writer, T value);

    public static IReadOnlyList<JsonConverter> All { get; } =
    [
        new Converter<DateTime>(static (ref reader) => reader.GetDateTime(), static (writer, value) => writer.WriteDateTime(value)),
        new Converter<DateTimeOffset>(static (ref reader) => reader.GetDateTimeOffset(), static (writer, value) => writer.WriteDateTimeOffset(value)),
        new Converter<DateOnly>(static (ref reader) => reader.GetDateOnly(), static (writer, value) => writer.WriteDateOnly(value)),
        new Converter<TimeOnly>(static (ref reader) => reader.GetTimeOnly(), static (writer, value) => writer.WriteTimeOnly(value)),
        new Converter<TimeSpan>(static (ref reader) => reader.GetTimeSpan(), static (writer, value) => writer.WriteTimeSpan(value)),
        new Converter<Guid>(static (ref reader) => reader.GetGuid(), static (writer, value) => writer.WriteGuid(value)),
        new Converter<decimal>(static (ref reader) => reader.GetDecimal(), static (writer, value) => writer.WriteNumber(value)),
        new Converter<nint>(static (ref reader) => checked((nint)reader.GetInt64()), static (writer, value) => writer.WriteNumber(value)),
        new Converter<nuint>(static (ref reader) => checked((nuint)reader.GetUInt64()), static (writer, value) => writer.WriteNumber(value)),
        new Converter<string>(static (ref reader) => reader.GetString(), static (writer, value) => writer.WriteString(value)),
        new Converter<char>(static (ref reader) => reader.GetChar(), static (writer, value) => writer.WriteChar(value)),
        new NodeConverter<JsonNode>(),
        new NodeConverter<JsonObject>(),
        new NodeConverter<JsonArray>(),
        new NodeConverter<JsonValue>(),
        new Converter<byte[]>(static (ref reader) => reader.GetBytes(), static (writer, value) => writer.WriteBytes(value)),
    ];

    sealed class Converter<T>(Read<T> read, Write<T> write) : JsonConverter<T>
        where T : notnull
    {
        static readonly bool isNumber = typeof(T) == typeof(decimal) || typeof(T) == typeof(nint) || typeof(T) == typeof(nuint);

        public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            var value = new ArgumentReader(reader);
            try
            {
                return read(ref value);
            }
            catch (JobFormatException e)
            {
                throw new JsonException(e.Message, e); // the serializer adds the path
            }
            finally
            {
                reader = value.At;
            }
        }

        public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) => write(new(writer, WireTypes.Default), value);

        // The key of a dictionary is the text of the value. The serializer has its own converters for keys only where
        // reflection is on.
        public override T ReadAsPropertyName(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            var text = reader.GetString()!;
            if (text is T same)
            {
                return same;
            }

            var value = new Utf8JsonReader(Encoding.UTF8.GetBytes(isNumber ? text : $"\"{JsonEncodedText.Encode(text)}\""));
            value.Read();
            return Read(ref value, typeToConvert, options);
        }

        public override void WriteAsPropertyName(Utf8JsonWriter writer, T value, JsonSerializerOptions options)
        {
            if (value is string same)
            {
                new ArgumentWriter(writer, WireTypes.Default).WriteKey(same);
                return;
            }

            var text = new ArrayBufferWriter<byte>();
            using (var json = new Utf8JsonWriter(text))
            {
                Write(json, value, options);
            }

            writer.WritePropertyName(isNumber ? Encoding.UTF8.GetString(text.WrittenSpan) : JsonElement.Parse(text.WrittenSpan).GetString()!);
        }
    }

    /// <summary>
    /// Writes and reads a JSON document as it is: in a document, names that differ by case are two names.
    /// </summary>
    sealed class NodeConverter<T> : JsonConverter<T>
        where T : JsonNode
    {
        public override T? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            JsonNode.Parse(ref reader) as T ?? throw new JsonException($"it is no {typeof(T).Name}");

        public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) => value.WriteTo(writer);
    }
}
