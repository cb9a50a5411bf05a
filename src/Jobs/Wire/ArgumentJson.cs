using System.Text.Json;

namespace Jobs.Wire;

/// <summary>Reads arguments that somebody wrote as JSON. Each value is kept as it is written.</summary>
static class ArgumentJson
{
    // One level less than a body, which holds the arguments in an array.
    static readonly JsonDocumentOptions options = new() { AllowDuplicateProperties = false, MaxDepth = WireTypes.MaxDepth - 1 };

    /// <exception cref="ArgumentException">The text is no JSON array that can be sent.</exception>
    public static IReadOnlyList<object?>? Positional(string task, string? json) =>
        json is null ? null : [.. Read(task, json, "arguments", JsonValueKind.Array, "array, for example [\"cricket\", 3]").EnumerateArray()];

    /// <exception cref="ArgumentException">The text is no JSON object that can be sent.</exception>
    public static IReadOnlyDictionary<string, object?>? Named(string task, string? json) => json is null ? null
        : Read(task, json, "named arguments", JsonValueKind.Object, "object, for example {\"source\": \"cricket\"}")
            .EnumerateObject().ToDictionary(property => property.Name, object? (property) => property.Value, StringComparer.Ordinal);

    static JsonElement Read(string task, string json, string what, JsonValueKind kind, string fitting)
    {
        JsonElement value;
        try
        {
            value = JsonElement.Parse(json, options);
        }
        catch (Exception e) when (e is JsonException or ArgumentException or InvalidOperationException)
        {
            throw Refused($"cannot be read as JSON: {e.Message.TrimEnd('.')}", e);
        }

        if (value.ValueKind != kind)
        {
            throw Refused($"are a JSON {value.ValueKind.ToString().ToLowerInvariant()}");
        }

        return BrokenText(value, "$") is { } place ? throw Refused($"have half a surrogate pair at {place}, which is no text") : value;

        ArgumentException Refused(string why, Exception? cause = null) => new($"The {what} of job '{task}' {why}. Give a JSON {fitting}.", cause);
    }

    /// <summary>
    /// The parser lets escapes pass that are no text, such as <c>\ud800</c>. They would fail only when the job is sent.
    /// </summary>
    /// <returns>The place of the first such text; <see langword="null"/> when there is none.</returns>
    static string? BrokenText(JsonElement value, string place)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.String:
                return IsText(() => value.GetString()) ? null : place;
            case JsonValueKind.Array:
                return value.EnumerateArray().Select((item, index) => BrokenText(item, $"{place}[{index}]")).FirstOrDefault(found => found is not null);
            case JsonValueKind.Object:
                foreach (var property in value.EnumerateObject())
                {
                    if (!IsText(() => property.Name))
                    {
                        return $"a name in {place}";
                    }

                    if (BrokenText(property.Value, $"{place}.{property.Name}") is { } found)
                    {
                        return found;
                    }
                }

                return null;
            default:
                return null;
        }
    }

    static bool IsText(Func<string?> read)
    {
        try
        {
            read();
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }
}
