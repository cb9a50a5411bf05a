using System.Collections;
using System.Text.Json;

namespace Jobs.Wire;

/// <summary>What a task is called with; derived classes are generated, one per task, so that values are written without boxing.</summary>
public abstract class JobArguments
{
    /// <summary>Writes the positional arguments as JSON values, inside an array that the caller opened.</summary>
    public abstract void WritePositional(Utf8JsonWriter writer, JsonSerializerOptions json);

    /// <summary>Writes the keyword arguments as JSON properties, inside an object that the caller opened. Defaults to none.</summary>
    public virtual void WriteKeywords(Utf8JsonWriter writer, JsonSerializerOptions json)
    {
    }

    /// <summary>The arguments of a task that takes none, or is called with its defaults.</summary>
    public static JobArguments None { get; } = new ValueArguments([], null);
}

/// <summary>Arguments of a task called by name, or given as JSON text in a configuration file.</summary>
sealed class ValueArguments(IReadOnlyList<object?> positional, IReadOnlyDictionary<string, object?>? keywords) : JobArguments
{
    public override void WritePositional(Utf8JsonWriter writer, JsonSerializerOptions json)
    {
        foreach (var value in positional)
        {
            JsonValues.Write(writer, value, json);
        }
    }

    public override void WriteKeywords(Utf8JsonWriter writer, JsonSerializerOptions json)
    {
        foreach (var (name, value) in keywords ?? new Dictionary<string, object?>())
        {
            writer.WritePropertyName(name);
            JsonValues.Write(writer, value, json);
        }
    }
}

/// <summary>Writes values whose type is known only at run time.</summary>
static class JsonValues
{
    public static void Write(Utf8JsonWriter writer, object? value, JsonSerializerOptions json)
    {
        switch (value)
        {
            case null: writer.WriteNullValue(); break;
            case string s: writer.WriteStringValue(s); break;
            case bool b: writer.WriteBooleanValue(b); break;
            case int i: writer.WriteNumberValue(i); break;
            case long l: writer.WriteNumberValue(l); break;
            case double d: writer.WriteNumberValue(d); break;
            case decimal m: writer.WriteNumberValue(m); break;
            case JsonElement e: e.WriteTo(writer); break;
            case IDictionary<string, object?> map:
                writer.WriteStartObject();
                foreach (var (name, item) in map)
                {
                    writer.WritePropertyName(name);
                    Write(writer, item, json);
                }

                writer.WriteEndObject();
                break;
            case object?[] or List<object?>:
                writer.WriteStartArray();
                foreach (var item in (IEnumerable)value)
                {
                    Write(writer, item, json);
                }

                writer.WriteEndArray();
                break;
            default: JsonSerializer.Serialize(writer, value, json.GetTypeInfo(value.GetType())); break;
        }
    }
}
