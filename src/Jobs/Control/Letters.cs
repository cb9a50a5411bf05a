using System.Collections;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Jobs.Transport;
using Jobs.Wire;

namespace Jobs.Control;

/// <summary>What the messages of dead letters say, and the messages that go back.</summary>
static class Letters
{
    /// <summary>How long a text of the index is; a longer one is cut, and ends in an ellipsis.</summary>
    public const int MostText = 300;

    static readonly long latest = DateTimeOffset.MaxValue.ToUnixTimeSeconds();

    /// <summary>The entry of a letter that a worker writes, as a record of the keeper's journal.</summary>
    public static Outgoing Record(string deadLetterQueue, JobMessage message, DeadLetter letter)
    {
        var record = KeeperRecord.Write(KeeperEntry.Of(Info(message, letter)));
        return new(
            KeeperRecord.JournalOf(deadLetterQueue),
            new() { Headers = new(0), Body = record, CorrelationId = Guid.CreateVersion7(letter.At).ToString() },
            Kind: OutgoingKind.Record);
    }

    /// <summary>
    /// A letter that was found in the queue. A letter of the broker's own does not say when its job died, and has the
    /// time when the job was published.
    /// </summary>
    public static DeadLetterInfo Info(JobMessage message)
    {
        if (DeadLetter.Read(message) is { } letter)
        {
            return Info(message, letter);
        }

        var (queue, reason) = (Text(message, "x-first-death-queue"), Text(message, "x-first-death-reason"));
        return new()
        {
            Id = IdOf(message),
            Task = Text(message, WireHeaders.Task),
            Queue = Origin(message) ?? queue,
            Reason = reason is null ? "Nobody said why this message is here." : $"The broker put it here: {reason}, in queue {queue}.",
            At = DateTimeOffset.FromUnixTimeSeconds(Math.Clamp(message.Timestamp, 0, latest)),
        };
    }

    /// <summary>
    /// Whether the id and the time of a letter say which death of which job it is: then two such letters are one.
    /// </summary>
    public static bool IsCertain(JobMessage message) => message.CorrelationId is { Length: > 0 } && DeadLetter.Read(message) is not null;

    /// <summary>
    /// The letter again, for the end of its queue. The broker's own headers are lost on the way, so a letter of the
    /// broker's gets what they say as facts of ours.
    /// </summary>
    public static JobMessage Copy(JobMessage message, string sweep, int stamp)
    {
        JobMessage copy;
        if (DeadLetter.Read(message) is null)
        {
            var info = Info(message);
            copy = new DeadLetter { Reason = info.Reason, At = info.At, Queue = info.Queue }.Write(message, stamp);
        }
        else
        {
            copy = message.Copy(stamp);
        }

        copy.Headers[WireHeaders.Swept] = sweep;
        return copy;
    }

    /// <summary>Whether a request has sent this job back already, and the job has died again since.</summary>
    public static bool IsOf(JobMessage message, DeadLetterRequest request) => Text(message, WireHeaders.Request) == request.Id;

    /// <summary>
    /// The message that goes back: with all attempts, without an expiry, and marked with the request that sends it.
    /// </summary>
    public static JobMessage Retry(JobMessage message, DeadLetterRequest request, int stamp)
    {
        var copy = DeadLetter.Bare(message);
        copy.Headers[WireHeaders.Copy] = stamp;
        copy.Headers[WireHeaders.Request] = request.Id;
        copy.Headers[WireHeaders.Tell] = true;
        copy.Headers.Remove(WireHeaders.Swept);
        copy.Headers.Remove(WireHeaders.Eta);
        copy.Headers.Remove(WireHeaders.Expires);
        if (copy.Headers.ContainsKey(WireHeaders.Retries))
        {
            copy.Headers[WireHeaders.Retries] = 0;
        }

        return request.Arguments is null && request.NamedArguments is null ? copy : WithArguments(copy, request);
    }

    /// <summary>Why these are no arguments; <see langword="null"/> when they are.</summary>
    public static string? Problem(string? arguments, string? named)
    {
        return Wrong(arguments, JsonValueKind.Array) ?? Wrong(named, JsonValueKind.Object);

        static string? Wrong(string? json, JsonValueKind kind)
        {
            if (json is null)
            {
                return null;
            }

            try
            {
                using var document = JsonDocument.Parse(json);
                return document.RootElement.ValueKind == kind ? null : $"'{json}' is no JSON {(kind == JsonValueKind.Array ? "array" : "object")}";
            }
            catch (JsonException e)
            {
                return $"'{json}' is no JSON: {e.Message}";
            }
        }
    }

    static DeadLetterInfo Info(JobMessage message, DeadLetter letter) => new()
    {
        Id = IdOf(message),
        Task = Text(message, WireHeaders.Task),
        Queue = letter.Queue,
        Reason = Cut(letter.Reason),
        ExceptionType = letter.Exception is { } exception ? Cut(exception.Split(':', 2)[0]) : null,
        Frame = FrameOf(letter.Stack ?? ""),
        At = letter.At,
        Attempts = letter.Attempts,
    };

    static string IdOf(JobMessage message) =>
        message.CorrelationId is { Length: > 0 } id ? id
        : Text(message, WireHeaders.Id) is { Length: > 0 } header ? header
        : DerivedId.Of(Convert.ToHexString(SHA256.HashData(message.Body.Span)), "letter", 0);

    static string? FrameOf(string stack)
    {
        var frame = FailureFrame.Of(Encoding.UTF8.GetBytes(stack));
        return frame.IsEmpty ? null : Cut(Encoding.UTF8.GetString(frame));
    }

    static string? Text(JobMessage message, string header) => message.Headers.GetValueOrDefault(header) as string;

    /// <summary>As the index has the text.</summary>
    public static string Cut(string text) => text.Length <= MostText ? text : string.Concat(text.AsSpan(0, MostText), "…");

    // The broker writes down where a message was when it died; the last entry is the first death. The routing key of a
    // message that was delayed over RabbitMQ has 28 binary digits before the destination.
    static string? Origin(JobMessage message)
    {
        const int Digits = 28;
        if (message.Headers.GetValueOrDefault("x-death") is not IList { Count: > 0 } deaths
            || deaths[^1] is not IDictionary death || death["routing-keys"] is not IList { Count: > 0 } keys || keys[0] is not string { Length: > 0 } key)
        {
            return null;
        }

        var isDelayed = key.Length > 2 * Digits && Enumerable.Range(0, Digits).All(i => key[2 * i] is '0' or '1' && key[(2 * i) + 1] == '.');
        return isDelayed ? key[(2 * Digits)..] : key;
    }

    static JobMessage WithArguments(JobMessage message, DeadLetterRequest request)
    {
        using var body = JsonDocument.Parse(message.PlainBody);
        var parts = body.RootElement.EnumerateArray().ToList();
        var buffer = new System.Buffers.ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartArray();
            Write(writer, request.Arguments, parts[0]);
            Write(writer, request.NamedArguments, parts[1]);
            parts[2].WriteTo(writer);
            writer.WriteEndArray();
        }

        message.Headers.Remove(WireHeaders.Compression);
        message.Headers.Remove("argsrepr");
        message.Headers.Remove("kwargsrepr");
        return message with { Body = buffer.WrittenMemory };

        static void Write(Utf8JsonWriter writer, string? changed, JsonElement former)
        {
            if (changed is null)
            {
                former.WriteTo(writer);
            }
            else
            {
                writer.WriteRawValue(changed);
            }
        }
    }
}
