using System.Text.Json;

namespace Jobs.Inspection;

/// <summary>
/// Reads the lists of objects that only workers of Jobs send. As everywhere in events, a value of the wrong type counts as
/// missing.
/// </summary>
static class EventLists
{
    const int MostNameBytes = 512;

    /// <summary>The jobs that run.</summary>
    public static void Runs(ref Utf8JsonReader json, JobEvent one)
    {
        one.BeginRuns();
        Objects(ref json, item =>
        {
            if (Text(item, "uuid"u8) is { Length: > 0 } id)
            {
                one.AddRun(new(id, Text(item, "name"u8), Text(item, "queue"u8), Number(item, "seconds"u8) ?? 0));
            }
        });
    }

    /// <summary>How many jobs of each task and queue there were.</summary>
    public static void Counts(ref Utf8JsonReader json, JobEvent one) => Objects(ref json, item =>
    {
        if (Text(item, "task"u8) is { } task && Text(item, "queue"u8) is { } queue)
        {
            one.AddCounts(new(task, queue)
            {
                Received = Whole(item, "received"u8),
                Started = Whole(item, "started"u8),
                Succeeded = Whole(item, "succeeded"u8),
                Failed = Whole(item, "failed"u8),
                Retried = Whole(item, "retried"u8),
                Expired = Whole(item, "expired"u8),
                GivenBack = Whole(item, "given_back"u8),
                Runtime = Number(item, "runtime"u8) ?? 0,
                Wait = Number(item, "wait"u8),
            });
        }
    });

    static void Objects(ref Utf8JsonReader json, Action<JsonElement> each)
    {
        json.Read();
        if (json.TokenType != JsonTokenType.StartArray)
        {
            json.Skip();
            return;
        }

        while (json.Read() && json.TokenType != JsonTokenType.EndArray)
        {
            if (json.TokenType != JsonTokenType.StartObject)
            {
                json.Skip();
                continue;
            }

            using var item = JsonDocument.ParseValue(ref json);
            each(item.RootElement);
        }
    }

    static string? Text(JsonElement item, ReadOnlySpan<byte> name)
    {
        if (!item.TryGetProperty(name, out var value) || value.ValueKind != JsonValueKind.String)
        {
            return null;
        }

        try
        {
            return value.GetString() is { Length: <= MostNameBytes } text ? text : null;
        }
        catch (InvalidOperationException)
        {
            return null; // half a surrogate pair
        }
    }

    static double? Number(JsonElement item, ReadOnlySpan<byte> name) =>
        item.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && number is >= 0 and < 1e12
            ? number
            : null;

    static long Whole(JsonElement item, ReadOnlySpan<byte> name) => (long)(Number(item, name) ?? 0);
}
