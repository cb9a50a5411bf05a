using System.Text.Json;

namespace Jobs.Wire;

/// <summary>
/// A job inside the message of another job, in Celery's form: task, arguments and options. Its publisher is the worker
/// of the other job.
/// </summary>
readonly struct Signature
{
    readonly JsonElement root;

    Signature(JsonElement root, string task) => (this.root, Task) = (root, task);

    /// <summary>The name of the task.</summary>
    public string Task { get; }

    /// <summary>The arguments, a JSON array; undefined for none.</summary>
    public JsonElement Arguments => Part("args");

    /// <summary>The keyword arguments, a JSON object; undefined for none.</summary>
    public JsonElement Keywords => Part("kwargs");

    /// <summary>The options, a JSON object; undefined for none.</summary>
    public JsonElement Options => Part("options");

    /// <summary>Whether the job takes nothing from the job before it.</summary>
    public bool IsImmutable => Part("immutable").ValueKind == JsonValueKind.True;

    /// <summary>Reads what one element of the embed asks for: one job, or the jobs of a chain.</summary>
    /// <exception cref="JobFormatException">The element is no signature, or one that Jobs cannot honour.</exception>
    public static IReadOnlyList<Signature> Read(JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.Object || Text(element, "task") is not { Length: > 0 } task)
        {
            throw new JobFormatException("It asks for a job to follow that has no 'task'.");
        }

        var signature = new Signature(element, task);
        var kind = Text(element, "subtask_type");
        if (task is "celery.group" or "celery.chord" || kind is "group" or "chord")
        {
            throw new JobFormatException(
                $"It asks for a {kind ?? task[7..]} to follow, which this version does not support: jobs that shall follow would never run.");
        }

        if (task != "celery.chain")
        {
            CheckKind(signature.Arguments, JsonValueKind.Array, task, "args");
            CheckKind(signature.Keywords, JsonValueKind.Object, task, "kwargs");
            CheckKind(signature.Options, JsonValueKind.Object, task, "options");
            return [signature];
        }

        var tasks = signature.Keywords.ValueKind == JsonValueKind.Object && signature.Keywords.TryGetProperty("tasks", out var inside) ? inside : default;
        if (tasks.ValueKind != JsonValueKind.Array || tasks.GetArrayLength() == 0)
        {
            throw new JobFormatException("It asks for a chain to follow that has no 'tasks'.");
        }

        if (new[] { "link", "link_error", "chain", "chord" }.FirstOrDefault(name => signature.Option(name).ValueKind != JsonValueKind.Undefined) is { } lost)
        {
            throw new JobFormatException($"It asks for a chain to follow that has a '{lost}' of its own, which this version does not support.");
        }

        return [.. tasks.EnumerateArray().SelectMany(Read)];
    }

    /// <summary>The signature as JSON.</summary>
    public void WriteTo(Utf8JsonWriter json) => root.WriteTo(json);

    /// <summary>An option; undefined when it is not set.</summary>
    public JsonElement Option(string name) =>
        Options.ValueKind == JsonValueKind.Object && Options.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : default;

    /// <summary>An option that is a text; <see langword="null"/> when it is not set.</summary>
    public string? TextOption(string name) => Option(name) is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;

    static void CheckKind(JsonElement value, JsonValueKind kind, string task, string part)
    {
        if (value.ValueKind != JsonValueKind.Undefined && value.ValueKind != kind)
        {
            throw new JobFormatException($"It asks for task '{task}' to follow, whose '{part}' are {value.ValueKind}.");
        }
    }

    static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    JsonElement Part(string name) => root.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : default;
}
