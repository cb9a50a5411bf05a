using System.Diagnostics.CodeAnalysis;

namespace Jobs.Wire;

/// <summary>
/// A job on the wire, as every transport carries it: AMQP properties, headers and body of Celery's message protocol 2.
/// Nobody has interpreted these yet.
/// </summary>
[Experimental("JOBS0001")]
public sealed record JobMessage
{
    // Null in our own messages, to save memory: each job has two messages, one that is sent and one that is received.
    readonly Sender? sender;

    /// <summary>The only content type that Jobs sends and reads.</summary>
    public const string Json = "application/json";

    /// <summary>The headers.</summary>
    public required JobHeaders Headers { get; init; }

    /// <summary>The JSON array <c>[args, kwargs, embed]</c>.</summary>
    public required ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>The content type.</summary>
    public string? ContentType { get; init; } = Json;

    /// <summary>The content encoding.</summary>
    public string? ContentEncoding { get; init; } = "utf-8";

    /// <summary>
    /// The id of the job, as in the headers. Results, and messages that the broker returns, are recognised by it.
    /// </summary>
    public string? CorrelationId { get; init; }

    /// <summary>The sender's number of the message. Jobs sets none, and keeps the number of another sender.</summary>
    public string? MessageId
    {
        get => sender?.MessageId;
        init => sender = Sender.Of(value, AppId, Type);
    }

    /// <summary>
    /// The application that sent the message. Jobs sets none, and keeps the name from another sender.
    /// </summary>
    public string? AppId
    {
        get => sender?.AppId;
        init => sender = Sender.Of(MessageId, value, Type);
    }

    /// <summary>The kind of message. Jobs sets none, and keeps the kind from another sender.</summary>
    public string? Type
    {
        get => sender?.Type;
        init => sender = Sender.Of(MessageId, AppId, value);
    }

    /// <summary>The queue where the sender waits for the result.</summary>
    public string? ReplyTo { get; init; }

    /// <summary>Whether somebody wants to hear what becomes of the job. Celery always sets <c>reply_to</c>.</summary>
    internal bool WantsResult => ReplyTo is { Length: > 0 } && Headers.GetValueOrDefault(WireHeaders.IgnoreResult) is not true;

    /// <summary>The body without its compression.</summary>
    /// <exception cref="JobFormatException">The body is damaged, or becomes too large.</exception>
    internal ReadOnlyMemory<byte> PlainBody =>
        Headers.Compression is { Length: > 0 } compression ? Compression.Decompress(Body, compression) : Body;

    /// <summary>The priority, 0 to 9, or <see langword="null"/> for none.</summary>
    public byte? Priority { get; init; }

    /// <summary>When the message was published, in seconds since 1970; 0 when the sender did not say.</summary>
    public long Timestamp { get; init; }

    /// <summary>
    /// Makes a copy to publish again. The copy has headers of its own, without those that belong to one delivery (see
    /// <see cref="WireHeaders.IsBrokers"/>).
    /// </summary>
    /// <param name="stamp">A random number that tells the copy from every other copy of the same job.</param>
    internal JobMessage Copy(int stamp)
    {
        var headers = new JobHeaders(Headers.Count + 3); // retries, eta and the stamp
        foreach (var (name, value) in Headers)
        {
            if (!WireHeaders.IsBrokers(name) && name != WireHeaders.Deliveries)
            {
                headers[name] = value;
            }
        }

        headers[WireHeaders.Copy] = stamp;
        return this with { Headers = headers };
    }

    /// <summary>Properties that only other senders set.</summary>
    sealed record Sender(string? MessageId, string? AppId, string? Type)
    {
        public static Sender? Of(string? messageId, string? appId, string? type) =>
            messageId is null && appId is null && type is null ? null : new(messageId, appId, type);
    }
}
