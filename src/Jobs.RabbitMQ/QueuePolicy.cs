using System.Text;
using System.Text.Json;

namespace Jobs.RabbitMQ;

/// <summary>A policy for exactly one queue.</summary>
/// <param name="Name">The name of the policy.</param>
/// <param name="Queue">The queue.</param>
/// <param name="Definition">The keys that the policy must have. It may have others too.</param>
sealed record QueuePolicy(string Name, string Queue, IReadOnlyDictionary<string, object?> Definition)
{
    /// <summary>
    /// Of all policies that match a queue, only the one with the highest priority counts. So this one is far above the
    /// priorities that people use.
    /// </summary>
    public const int Priority = 1_000_000;

    /// <summary>Matches the name of the queue, and no other name.</summary>
    public string Pattern { get; } = $"^{string.Concat(Queue.Select(c => char.IsAscii(c) && !char.IsAsciiLetterOrDigit(c) ? $"\\{c}" : $"{c}"))}$";

    /// <summary>The line that makes this policy.</summary>
    public string Command(string virtualHost) =>
        $"rabbitmqctl set_policy -p {Quoted(virtualHost)} --priority {Priority} --apply-to queues {Quoted(Name)} {Quoted(Pattern)} "
        + Quoted(Encoding.UTF8.GetString(Json(writer => WriteDefinition(writer, null))));

    /// <summary>This policy for the management API.</summary>
    /// <param name="existing">
    /// The policy of this name that the broker has, if any. Its other keys are kept: an operator may have added them.
    /// </param>
    public byte[] Body(JsonElement? existing) => Json(writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("pattern", Pattern);
        writer.WriteNumber("priority", Priority);
        writer.WriteString("apply-to", "queues");
        writer.WritePropertyName("definition");
        WriteDefinition(writer, existing is { } policy && policy.TryGetProperty("definition", out var definition) ? definition : null);
        writer.WriteEndObject();
    });

    /// <summary>Whether a policy that the broker has does what this one would do.</summary>
    public bool IsDoneBy(JsonElement policy) =>
        policy.GetProperty("pattern").ValueEquals(Pattern)
        && policy.GetProperty("priority").GetInt64() >= Priority
        && policy.GetProperty("apply-to").GetString() is "queues" or "quorum_queues" or "all"
        && !Lacks(policy.GetProperty("definition")).Any();

    /// <summary>The keys, with their values, that a definition does not have.</summary>
    public IEnumerable<string> Lacks(JsonElement definition) => Definition
        .Where(wanted => definition.ValueKind != JsonValueKind.Object
            || !definition.TryGetProperty(wanted.Key, out var value)
            || !(wanted.Value is int number
                ? value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var actual) && actual == number
                : value.ValueKind == JsonValueKind.String && value.ValueEquals((string)wanted.Value!)))
        .Select(wanted => $"{wanted.Key}={(wanted.Value is "" ? "\"\"" : wanted.Value)}");

    void WriteDefinition(Utf8JsonWriter writer, JsonElement? existing)
    {
        writer.WriteStartObject();
        foreach (var (key, value) in Definition)
        {
            if (value is int number)
            {
                writer.WriteNumber(key, number);
            }
            else
            {
                writer.WriteString(key, (string)value!);
            }
        }

        foreach (var other in existing?.EnumerateObject().Where(p => !Definition.ContainsKey(p.Name)) ?? [])
        {
            other.WriteTo(writer);
        }

        writer.WriteEndObject();
    }

    static byte[] Json(Action<Utf8JsonWriter> write)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream))
        {
            write(writer);
        }

        return stream.ToArray();
    }

    // For a POSIX shell.
    static string Quoted(string text) => $"'{text.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
