using System.Diagnostics.CodeAnalysis;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Jobs.Wire;

/// <summary>How values of other than built-in types are written and read, as long as the application says nothing.</summary>
static class WireJson
{
    /// <summary>For what needs no application: comparing arguments.</summary>
    public static JsonSerializerOptions Default { get; } = Create();

    public static JsonSerializerOptions Create() => new()
    {
        // Celery and System.Text.Json read either; what is not escaped is shorter.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        TypeInfoResolver = JsonSerializer.IsReflectionEnabledByDefault ? DefaultResolver() : null,
    };

    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "Only reached where reflection is enabled; trimmed apps give a JsonSerializerContext.")]
    [UnconditionalSuppressMessage("AOT", "IL3050", Justification = "Only reached where reflection is enabled; AOT apps give a JsonSerializerContext.")]
    static DefaultJsonTypeInfoResolver DefaultResolver() => new();
}
