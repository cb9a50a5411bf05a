using System.Text.Json;

namespace Jobs.Wire;

/// <summary>
/// News of a job on its way to the caller, in the format of Celery's results: a JSON object with <c>task_id</c>,
/// <c>status</c>, <c>result</c> and <c>traceback</c>.
/// </summary>
static class ResultMessage
{
    const string Python = "celery.exceptions";

    /// <summary>The type of the error of a job whose worker has no such task; Celery has the same.</summary>
    public const string NotRegistered = Python + ".NotRegistered";

    const string TaskRevoked = "TaskRevokedError";

    /// <summary>Makes the message.</summary>
    /// <param name="status">The news.</param>
    /// <param name="correlationId">The correlation id of the job, by which a caller recognises the answer.</param>
    /// <param name="expires">When a store may forget the news; <see langword="null"/> for news that are no end.</param>
    public static JobMessage Write(JobStatus status, string correlationId, DateTimeOffset? expires)
    {
        using var buffer = JsonBuffer.Take();
        var json = buffer.Writer;
        json.WriteStartObject();
        json.WriteString("task_id", status.Id);
        json.WriteString("status", Word(status.State, status.Progress));
        json.WritePropertyName("result");
        WriteResult(json, status);
        json.WriteString("traceback", status.Error?.Stack);
        json.WriteStartArray("children");
        json.WriteEndArray();
        json.WriteString("date_done", status.EndedAt is { } at ? WireTime.Format(at) : null);
        json.WriteNumber("retries", Math.Max(0, status.Attempts - 1));
        if (status.StartedAt is { } started)
        {
            json.WriteString("date_started", WireTime.Format(started));
        }

        json.WriteEndObject();
        return new() { Headers = new(1) { Expires = expires }, Body = buffer.ToArray(), CorrelationId = correlationId };
    }

    /// <summary>Reads news, of a worker of ours or of Celery.</summary>
    /// <exception cref="JobFormatException">These bytes are no news of a job.</exception>
    public static JobStatus Read(ReadOnlyMemory<byte> body)
    {
        try
        {
            return ReadCore(body);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            throw new JobFormatException($"The result is not in Celery's format: {e.Message}", e);
        }
    }

    static JobStatus ReadCore(ReadOnlyMemory<byte> body)
    {
        var reader = new Utf8JsonReader(body.Span, WireTypes.ReaderOptions);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
        {
            throw new JobFormatException("The result is not a JSON object.");
        }

        string? id = null, word = null, stack = null;
        DateTimeOffset? done = null, started = null;
        var (result, retries) = (ReadOnlyMemory<byte>.Empty, 0);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString();
            reader.Read();
            var start = (int)reader.TokenStartIndex;
            var at = reader;
            reader.Skip();
            switch (name)
            {
                case "task_id": id = at.GetString(); break;
                case "status": word = at.GetString(); break;
                case "traceback": stack = at.TokenType == JsonTokenType.String ? at.GetString() : null; break;
                case "date_done": done = Time(at); break;
                case "date_started": started = Time(at); break;
                case "retries": retries = at.TokenType == JsonTokenType.Number && at.TryGetInt32(out var count) ? count : 0; break;
                case "result": result = body[start..(int)reader.BytesConsumed]; break;
                default: break;
            }
        }

        if (id is null || word is null)
        {
            throw new JobFormatException("The result has no 'task_id' or no 'status'.");
        }

        var status = new JobStatus { Id = id, StartedAt = started, EndedAt = done, Attempts = retries + 1 };
        switch (word)
        {
            case "SUCCESS":
                return status with { State = JobState.Succeeded, Result = result.IsEmpty ? "null"u8.ToArray() : result };
            case "FAILURE":
                return status with { State = JobState.Dead, Error = Error(result, stack) };
            case "RETRY":
                return status with { State = JobState.Retrying, Error = Error(result, stack) };
            case "REVOKED":
                var why = Error(result, stack);
                return status with { State = why.Message == "expired" ? JobState.Expired : JobState.Revoked, Error = why };
            case "PENDING" or "RECEIVED":
                return status with { State = JobState.Queued, Attempts = 0 };
            default: // STARTED, PROGRESS, and what Python's tasks make up: update_state(state="…", meta=…)
                var (progress, text) = Progress(result);
                return status with { State = JobState.Running, Progress = progress, ProgressText = text };
        }
    }

    static string Word(JobState state, double? progress) => state switch
    {
        JobState.Succeeded => "SUCCESS",
        JobState.Dead => "FAILURE",
        JobState.Retrying => "RETRY",
        JobState.Expired or JobState.Revoked => "REVOKED",
        JobState.Running => progress is null ? "STARTED" : "PROGRESS",
        _ => "PENDING",
    };

    static void WriteResult(Utf8JsonWriter json, JobStatus status)
    {
        switch (status)
        {
            case { State: JobState.Succeeded }:
                json.WriteRawValue(status.Result.Span, skipInputValidation: true);
                break;
            case { State: JobState.Expired or JobState.Revoked }:
                WriteError(json, TaskRevoked, Python, status.State == JobState.Expired ? "expired" : "revoked");
                break;
            case { Error: { } error }:
                var dot = error.Type.LastIndexOf('.');
                WriteError(json, error.Type[(dot + 1)..], dot < 0 ? "" : error.Type[..dot], error.Message);
                break;
            case { Progress: { } progress }:
                json.WriteStartObject();
                json.WriteNumber("progress", progress);
                json.WriteString("text", status.ProgressText);
                json.WriteEndObject();
                break;
            default:
                json.WriteNullValue();
                break;
        }
    }

    static void WriteError(Utf8JsonWriter json, string type, string module, string message)
    {
        json.WriteStartObject();
        json.WriteString("exc_type", type);
        json.WriteStartArray("exc_message");
        json.WriteStringValue(message);
        json.WriteEndArray();
        json.WriteString("exc_module", module);
        json.WriteEndObject();
    }

    // exc_message is a list of what the exception was made of, or a text.
    static JobError Error(ReadOnlyMemory<byte> result, string? stack)
    {
        if (result.IsEmpty)
        {
            return new("", "", stack);
        }

        using var document = JsonDocument.Parse(result, new() { MaxDepth = WireTypes.MaxDepth });
        var root = document.RootElement;
        if (root.ValueKind != JsonValueKind.Object)
        {
            return new("", Text(root), stack);
        }

        var type = root.TryGetProperty("exc_type", out var name) ? Text(name) : "";
        var module = root.TryGetProperty("exc_module", out var of) && of.ValueKind == JsonValueKind.String ? of.GetString() : null;
        var message = !root.TryGetProperty("exc_message", out var said) ? ""
            : said.ValueKind == JsonValueKind.Array ? string.Join(", ", said.EnumerateArray().Select(Text))
            : Text(said);
        return new(string.IsNullOrEmpty(module) ? type : $"{module}.{type}", message, stack);
    }

    static (double? Progress, string? Text) Progress(ReadOnlyMemory<byte> result)
    {
        if (result.IsEmpty)
        {
            return default;
        }

        using var document = JsonDocument.Parse(result, new() { MaxDepth = WireTypes.MaxDepth });
        var root = document.RootElement;
        if (root.ValueKind != JsonValueKind.Object)
        {
            return default;
        }

        var text = root.TryGetProperty("text", out var said) && said.ValueKind == JsonValueKind.String ? said.GetString() : null;
        if (Number(root, "progress") is { } progress)
        {
            return (progress, text);
        }

        // The usual form of Python's tasks.
        return Number(root, "current") is { } current && Number(root, "total") is { } total and > 0 ? (current / total, text) : (null, text);
    }

    static double? Number(JsonElement root, string name) =>
        root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;

    static string Text(JsonElement value) => value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();

    static DateTimeOffset? Time(Utf8JsonReader at) =>
        at.TokenType == JsonTokenType.String && WireTime.TryParse(at.GetString()!, out var time) ? time : null;
}
