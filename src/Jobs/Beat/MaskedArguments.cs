using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Jobs.Events;
using Jobs.Registry;

namespace Jobs.Beat;

/// <summary>Writes the arguments of a schedule again, with three stars for each value that viewers must not see.</summary>
/// <param name="rule">Says which values these are.</param>
sealed class MaskedArguments(SensitiveRule rule)
{
    static readonly JsonWriterOptions readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <param name="arguments">A JSON array or object.</param>
    /// <param name="task">The task of the schedule, when this process knows it.</param>
    public string Of(JsonElement arguments, TaskDefinition? task)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, readable))
        {
            Write(json, arguments, task);
        }

        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }

    void Write(Utf8JsonWriter json, JsonElement value, TaskDefinition? task = null)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Array:
                json.WriteStartArray();
                foreach (var (position, item) in value.EnumerateArray().Index())
                {
                    WriteOrHide(json, item, rule.Hides(task, position));
                }

                json.WriteEndArray();
                break;
            case JsonValueKind.Object:
                json.WriteStartObject();
                foreach (var property in value.EnumerateObject())
                {
                    json.WritePropertyName(property.Name);
                    WriteOrHide(json, property.Value, rule.Hides(property.Name, task));
                }

                json.WriteEndObject();
                break;
            default:
                value.WriteTo(json);
                break;
        }
    }

    void WriteOrHide(Utf8JsonWriter json, JsonElement value, bool isHidden)
    {
        if (isHidden)
        {
            json.WriteStringValue("***");
        }
        else
        {
            Write(json, value);
        }
    }
}
