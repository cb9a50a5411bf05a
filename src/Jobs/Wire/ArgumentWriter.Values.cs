using System.Collections;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;

namespace Jobs.Wire;

/// <summary>The part that writes values whose type is known only at run time.</summary>
public readonly ref partial struct ArgumentWriter
{
    /// <summary>
    /// Writes a value of a built-in type as the method for its type does. Items of collections, and of dictionaries
    /// with string keys, are written in the same way. Writes any other type with the application's serializer options.
    /// </summary>
    public void WriteValue(object? value) => Write(value, typeof(object));

    /// <param name="value">The value.</param>
    /// <param name="declared">
    /// The item type of the collection that holds the value: a base type may say how its derived types are written.
    /// </param>
    void Write(object? value, Type declared)
    {
        switch (value)
        {
            case null: WriteNull(); break;
            case string v: WriteString(v); break;
            case bool v: WriteBoolean(v); break;
            case int v: WriteNumber(v); break;
            case long v: WriteNumber(v); break;
            case double v: WriteNumber(v); break;
            case float v: WriteNumber(v); break;
            case decimal v: WriteNumber(v); break;
            case byte v: WriteNumber(v); break;
            case sbyte v: WriteNumber(v); break;
            case short v: WriteNumber(v); break;
            case ushort v: WriteNumber(v); break;
            case uint v: WriteNumber(v); break;
            case ulong v: WriteNumber(v); break;
            case nint v: WriteNumber(v); break;
            case nuint v: WriteNumber(v); break;
            case char v: WriteChar(v); break;
            case Guid v: WriteGuid(v); break;
            case DateTime v: WriteDateTime(v); break;
            case DateTimeOffset v: WriteDateTimeOffset(v); break;
            case DateOnly v: WriteDateOnly(v); break;
            case TimeOnly v: WriteTimeOnly(v); break;
            case TimeSpan v: WriteTimeSpan(v); break;
            case Enum v: WriteEnum(v); break;
            // For the runtime, an sbyte[] and an array of a byte enum are a byte[] too.
            case byte[] v when v.GetType() == typeof(byte[]): WriteBytes(v); break;
            case JsonElement v: v.WriteTo(writer); break;
            case JsonNode v: v.WriteTo(writer); break;
            case EvaluatedItems v: WriteItems(v.Items, v.Declared); break;
            case IDictionary v when v.GetType().GenericTypeArguments is [var key, var item] && key == typeof(string): WriteMap(v, item); break;
            case IDictionary<string, object?> v: WriteMap(v); break;
            case IEnumerable v when IsArray(v.GetType()): WriteItems(v, EvaluatedItems.ItemOf(v.GetType())); break;
            default:
                var fits = declared != typeof(object) && declared.IsInstanceOfType(value);
                WriteObject(value, fits ? Nullable.GetUnderlyingType(declared) ?? declared : value.GetType());
                break;
        }
    }

    void WriteEnum(Enum value)
    {
        var type = value.GetType();
        var number = value.GetTypeCode() == TypeCode.UInt64
            ? unchecked((long)Convert.ToUInt64(value, CultureInfo.InvariantCulture))
            : Convert.ToInt64(value, CultureInfo.InvariantCulture);

        // Not Enum.GetName: of several names for one value, GetName returns any, and generated code uses the first.
        var (names, values) = (Enum.GetNames(type), Enum.GetValuesAsUnderlyingType(type));
        var index = Array.IndexOf(values, Convert.ChangeType(value, value.GetTypeCode(), CultureInfo.InvariantCulture));
        WriteEnum(index < 0 ? null : names[index], number);
    }

    void WriteMap(IDictionary map, Type item)
    {
        StartMap();
        foreach (DictionaryEntry entry in map)
        {
            WriteKey((string)entry.Key);
            Write(entry.Value, item);
        }

        EndMap();
    }

    void WriteMap(IDictionary<string, object?> map)
    {
        StartMap();
        foreach (var (key, item) in map)
        {
            WriteKey(key);
            WriteValue(item);
        }

        EndMap();
    }

    void WriteItems(IEnumerable items, Type item)
    {
        StartArray();
        foreach (var value in items)
        {
            Write(value, item);
        }

        EndArray();
    }

    // Whether the serializer writes the type as an array. Without reflection, the serializer does not know most
    // iterators.
    bool IsArray(Type type) =>
        type.IsArray ? type.GetArrayRank() == 1 : types.Find(type) is not { } info || info.Kind == JsonTypeInfoKind.Enumerable;

    void WriteObject(object value, Type type)
    {
        try
        {
            JsonSerializer.Serialize(writer, value, types.Of(type));
        }
        catch (Exception e)
        {
            throw new UnwritableException(type, e);
        }
    }
}
