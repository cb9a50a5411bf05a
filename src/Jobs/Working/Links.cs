using System.Text;
using System.Text.Json;
using Jobs.Registry;
using Jobs.Transport;
using Jobs.Wire;
using Microsoft.Extensions.Options;

namespace Jobs.Working;

/// <summary>
/// Makes the messages of the jobs that follow another job: the next link of a chain, callbacks and errbacks. Their
/// signatures say what to run, and their ids are fixed: whoever makes a message twice makes the same job twice.
/// </summary>
sealed class Links(TaskRegistry tasks, IOptions<JobsOptions> jobsOptions)
{
    readonly JobsOptions options = jobsOptions.Value;

    /// <summary>The job has succeeded: the next link of its chain, and its callbacks.</summary>
    /// <param name="attempt">The attempt.</param>
    /// <param name="embed">What shall follow.</param>
    /// <param name="result">What the task returned, as JSON.</param>
    public IEnumerable<Outgoing> AfterSuccess(Attempt attempt, Embed embed, ReadOnlyMemory<byte> result)
    {
        if (embed.Chain.Count > 0)
        {
            yield return Link(attempt, embed.Chain, "chain", 0, result, embed.Unknown());
        }

        for (var i = 0; i < embed.Callbacks.Count; i++)
        {
            yield return Link(attempt, embed.Callbacks[i], "callback", i, result, []);
        }
    }

    /// <summary>The job is dead or has expired: its errbacks, which get its id.</summary>
    /// <param name="attempt">The attempt.</param>
    /// <param name="embed">What shall follow.</param>
    /// <param name="error">What went wrong.</param>
    public IEnumerable<Outgoing> AfterFailure(Attempt attempt, Embed embed, JobError error)
    {
        var id = Encoding.UTF8.GetBytes($"\"{JsonEncodedText.Encode(attempt.Id)}\"");
        for (var i = 0; i < embed.Errbacks.Count; i++)
        {
            var link = Link(attempt, embed.Errbacks[i], "errback", i, id, []);
            link.Message.Headers[WireHeaders.FailedId] = attempt.Id;
            link.Message.Headers[WireHeaders.FailedType] = error.Type;
            link.Message.Headers[WireHeaders.FailedMessage] = error.Message.Length <= 1000 ? error.Message : error.Message[..1000];
            yield return link;
        }
    }

    /// <summary>The later links of a chain that ends early: id and address of each that somebody waits for.</summary>
    public static IEnumerable<(string Id, string ReplyTo)> Abandoned(IEnumerable<Signature> chain) =>
        from link in chain
        let id = link.TextOption("task_id")
        let replyTo = link.TextOption("reply_to")
        where id is { Length: > 0 } && replyTo is { Length: > 0 }
        select (id, replyTo);

    // The steps are the job to run and the links after it. The queue is empty when nobody can tell it.
    Outgoing Link(
        Attempt attempt, IReadOnlyList<Signature> steps, string role, int position, ReadOnlyMemory<byte> argument, IEnumerable<JsonProperty> unknown)
    {
        var signature = steps[0];
        var task = tasks.Find(signature.Task);
        var id = signature.TextOption("task_id") ?? DerivedId.Of(attempt.Id, role, position);
        var eta = Eta(signature, attempt.EndedAt);
        var message = new JobMessage
        {
            Headers = Headers(attempt, signature, task, id, eta),
            Body = Body(signature, argument, [.. steps.Skip(1)], unknown),
            CorrelationId = id,
            ReplyTo = signature.TextOption("reply_to"),
            Priority = Number(signature, "priority") is { } priority and >= 0 and <= 255 ? (byte)priority : task?.Priority,
            Timestamp = attempt.EndedAt.ToUnixTimeSeconds(),
        };
        var delay = eta is { } due && due > attempt.EndedAt ? due - attempt.EndedAt : TimeSpan.Zero;
        return new(Queue(signature, task) ?? "", message, delay < Outgoing.MaxDelay ? delay : Outgoing.MaxDelay);
    }

    string? Queue(Signature signature, TaskDefinition? task) =>
        signature.TextOption("queue")
        ?? (signature.TextOption("exchange") is null or "" ? signature.TextOption("routing_key") : null)
        ?? task?.Queue
        ?? TaskRoutes.Find(options.Routes, signature.Task)
        ?? (task is null ? null : options.DefaultQueue);

    static byte[] Body(Signature signature, ReadOnlyMemory<byte> argument, IReadOnlyList<Signature> rest, IEnumerable<JsonProperty> unknown)
    {
        using var buffer = JsonBuffer.Take();
        var json = buffer.Writer;
        json.WriteStartArray();
        json.WriteStartArray();
        if (!signature.IsImmutable)
        {
            json.WriteRawValue(argument.Span, skipInputValidation: true);
        }

        if (signature.Arguments.ValueKind == JsonValueKind.Array)
        {
            foreach (var own in signature.Arguments.EnumerateArray())
            {
                own.WriteTo(json);
            }
        }

        json.WriteEndArray();
        WriteOr(json, signature.Keywords, "{}"u8);
        json.WriteStartObject();
        json.WritePropertyName("callbacks");
        WriteOr(json, signature.Option("link"), "null"u8);
        json.WritePropertyName("errbacks");
        WriteOr(json, signature.Option("link_error"), "null"u8);
        json.WritePropertyName("chain");
        if (rest.Count == 0)
        {
            WriteOr(json, signature.Option("chain"), "null"u8);
        }
        else
        {
            json.WriteStartArray();
            foreach (var link in rest.Reverse())
            {
                link.WriteTo(json);
            }

            json.WriteEndArray();
        }

        json.WritePropertyName("chord");
        WriteOr(json, signature.Option("chord"), "null"u8);
        foreach (var property in unknown)
        {
            property.WriteTo(json);
        }

        json.WriteEndObject();
        json.WriteEndArray();
        return buffer.ToArray();
    }

    static void WriteOr(Utf8JsonWriter json, JsonElement value, ReadOnlySpan<byte> otherwise)
    {
        if (value.ValueKind == JsonValueKind.Undefined)
        {
            json.WriteRawValue(otherwise, skipInputValidation: true);
        }
        else
        {
            value.WriteTo(json);
        }
    }

    static JobHeaders Headers(Attempt attempt, Signature signature, TaskDefinition? task, string id, DateTimeOffset? eta)
    {
        var headers = new JobHeaders(12);
        if (signature.Option("headers") is { ValueKind: JsonValueKind.Object } own)
        {
            foreach (var header in own.EnumerateObject().Where(header => !WireHeaders.IsBrokers(header.Name)))
            {
                headers[header.Name] = HeaderValue(header.Value);
            }
        }

        (headers.Task, headers.Id, headers.RootId, headers.ParentId) = (signature.Task, id, attempt.Envelope?.RootId ?? attempt.Id, attempt.Id);
        (headers.TraceParent, headers.TraceState) = (attempt.After?.TraceParent ?? attempt.Envelope?.TraceParent, attempt.Envelope?.TraceState);
        headers.Eta = eta;
        headers.Expires = Expires(signature, task, attempt.EndedAt);
        headers[WireHeaders.Copy] = attempt.Stamp;
        foreach (var (option, header) in WireHeaders.OfOptions)
        {
            if (signature.Option(option) is { ValueKind: not JsonValueKind.Undefined } value)
            {
                headers[header] = HeaderValue(value);
            }
        }

        if (Number(signature, "time_limit") is not null || Number(signature, "soft_time_limit") is not null)
        {
            headers[WireHeaders.TimeLimit] = new List<object?> { Number(signature, "time_limit"), Number(signature, "soft_time_limit") };
        }

        if (signature.Option(WireHeaders.StampedHeaders) is { ValueKind: JsonValueKind.Array } names)
        {
            headers[WireHeaders.StampedHeaders] = HeaderValue(names);
            headers[WireHeaders.Stamps] = names.EnumerateArray().Where(name => name.ValueKind == JsonValueKind.String)
                .ToDictionary(name => name.GetString()!, name => HeaderValue(signature.Option(name.GetString()!)), StringComparer.Ordinal);
        }

        return headers;
    }

    static DateTimeOffset? Eta(Signature signature, DateTimeOffset now) =>
        Number(signature, "countdown") is { } seconds ? Later(now, seconds)
        : signature.TextOption("eta") is { } text && WireTime.TryParse(text, out var eta) ? eta
        : null;

    static DateTimeOffset? Expires(Signature signature, TaskDefinition? task, DateTimeOffset now) =>
        Number(signature, "expires") is { } seconds ? Later(now, seconds)
        : signature.TextOption("expires") is { } text && WireTime.TryParse(text, out var at) ? at
        : signature.Option("expires").ValueKind == JsonValueKind.Undefined ? now + task?.Expires
        : null;

    static DateTimeOffset Later(DateTimeOffset now, double seconds) =>
        now + TimeSpan.FromSeconds(Math.Clamp(seconds, 0, Outgoing.MaxDelay.TotalSeconds));

    static double? Number(Signature signature, string name) =>
        signature.Option(name) is { ValueKind: JsonValueKind.Number } number && number.TryGetDouble(out var value) ? value : null;

    static object? HeaderValue(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString(),
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Number when value.TryGetInt32(out var number) => number,
        JsonValueKind.Number when value.TryGetInt64(out var number) => number,
        JsonValueKind.Number => value.GetDouble(),
        JsonValueKind.Array => value.EnumerateArray().Select(HeaderValue).ToList(),
        JsonValueKind.Object => value.EnumerateObject().ToDictionary(p => p.Name, p => HeaderValue(p.Value), StringComparer.Ordinal),
        _ => null,
    };
}
