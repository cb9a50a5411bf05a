using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Jobs.Wire;

namespace Jobs.Tests.Wire;

/// <summary>Messages that real Celery applications sent, copied off the wire.</summary>
static class Captures
{
    public static string[] Versions { get; } = ["celery-5.2", "celery-5.6"];

    /// <param name="version">The file.</param>
    /// <param name="asBytes">Text headers as UTF-8, as an AMQP client gives them.</param>
    public static IReadOnlyList<(string Name, JobMessage Message)> Read(string version, bool asBytes = false)
    {
        using var file = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder(), "Captures", $"{version}.json")));
        return [.. file.RootElement.EnumerateArray().Select(c => (c.GetProperty("name").GetString()!, new JobMessage
        {
            Headers = JobHeaders.Received((Dictionary<string, object?>)Value(c.GetProperty("headers"), asBytes)!),
            Body = Encoding.UTF8.GetBytes(c.GetProperty("body").GetString()!),
            ContentType = c.GetProperty("contentType").GetString(),
            ContentEncoding = c.GetProperty("contentEncoding").GetString(),
            CorrelationId = c.GetProperty("correlationId").GetString(),
            ReplyTo = c.GetProperty("replyTo").GetString(),
            Priority = c.GetProperty("priority").GetByte(),
        }))];
    }

    static object? Value(JsonElement element, bool asBytes) => element.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Number => element.GetInt32(),
        JsonValueKind.String => asBytes ? Encoding.UTF8.GetBytes(element.GetString()!) : element.GetString(),
        JsonValueKind.Array => element.EnumerateArray().Select(e => Value(e, asBytes)).ToList(),
        _ => element.EnumerateObject().ToDictionary(p => p.Name, p => Value(p.Value, asBytes)),
    };

    static string Folder([CallerFilePath] string here = "") => Path.GetDirectoryName(here)!;
}
