using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Jobs.Wire;

/// <summary>
/// Says where a token is in a JSON text. Only error messages need this, so it may read the whole text once more.
/// </summary>
static class JsonPlace
{
    /// <param name="json">An array or an object. Its items or values are the parameters.</param>
    /// <param name="position">Where the token starts.</param>
    /// <returns>The path from the parameter to the token, such as <c>[3]["name"]</c>.</returns>
    public static string Of(ReadOnlySpan<byte> json, long position)
    {
        var reader = new Utf8JsonReader(json, WireTypes.ReaderOptions);
        var steps = new List<string>();
        var indexes = new Stack<int>(); // one for each array around the token, and -1 for each object
        while (reader.Read() && reader.TokenStartIndex <= position)
        {
            if (reader.TokenType is JsonTokenType.EndArray or JsonTokenType.EndObject)
            {
                indexes.Pop();
                steps.RemoveAt(steps.Count - 1);
                continue;
            }

            if (reader.TokenType == JsonTokenType.PropertyName)
            {
                steps[^1] = $"[\"{reader.GetString()}\"]";
                continue;
            }

            if (indexes.TryPeek(out var index) && index >= 0)
            {
                indexes.Pop();
                indexes.Push(index + 1);
                steps[^1] = string.Create(CultureInfo.InvariantCulture, $"[{index}]");
            }

            if (reader.TokenStartIndex == position)
            {
                break;
            }

            if (reader.TokenType is JsonTokenType.StartArray or JsonTokenType.StartObject)
            {
                indexes.Push(reader.TokenType == JsonTokenType.StartArray ? 0 : -1);
                steps.Add("");
            }
        }

        return steps.Aggregate(new StringBuilder(), (text, step) => text.Append(step)).ToString() is { Length: > 0 } all ? all[steps[0].Length..] : "";
    }
}
