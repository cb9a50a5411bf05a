using System.Diagnostics.CodeAnalysis;

namespace Jobs.Wire;

/// <summary>A job on the wire, as every transport carries it: AMQP properties, headers and body of Celery's message protocol 2. Nothing in it has been interpreted.</summary>
[Experimental("JOBS0001")]
public sealed record JobMessage
{
    readonly Sender? sender; // null in messages of our own: each job has two messages, the one that is sent and the one that is received

    /// <summary>The only content type that is sent and read.</summary>
    public const string Json = "application/json";

    /// <summary>The headers.</summary>
    public required JobHeaders Headers { get; init; }

    /// <summary>The JSON array <c>[args, kwargs, embed]</c>.</summary>
    public required ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>The content type.</summary>
    public string? ContentType { get; init; } = Json;

    /// <summary>The content encoding.</summary>
    public string? ContentEncoding { get; init; } = "utf-8";

    /// <summary>The job's id again: what results and returns are recognised by.</summary>
    public string? CorrelationId { get; init; }

    /// <summary>The sender's number of the message; Jobs sets none, and keeps another sender's.</summary>
    public string? MessageId
    {
        get => sender?.MessageId;
        init => sender = Sender.Of(value, AppId, Type);
    }

    /// <summary>The application that sent the message; Jobs sets none, and keeps another sender's.</summary>
    public string? AppId
    {
        get => sender?.AppId;
        init => sender = Sender.Of(MessageId, value, Type);
    }

    /// <summary>What kind of message it is; Jobs sets none, and keeps another sender's.</summary>
    public string? Type
    {
        get => sender?.Type;
        init => sender = Sender.Of(MessageId, AppId, value);
    }

    /// <summary>The queue that the sender waits for the result on.</summary>
    public string? ReplyTo { get; init; }

    /// <summary>0 to 9, or <see langword="null"/> when none was given.</summary>
    public byte? Priority { get; init; }

    /// <summary>When it was published, in seconds since 1970; 0 when the sender did not say.</summary>
    public long Timestamp { get; init; }

    /// <summary>A copy to publish again: its own headers, without what the broker added and without the deliveries of this attempt.</summary>
    /// <param name="stamp">Tells the copy from every other copy of the same job; random.</param>
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

    /// <summary>What other senders say of themselves.</summary>
    sealed record Sender(string? MessageId, string? AppId, string? Type)
    {
        public static Sender? Of(string? messageId, string? appId, string? type) =>
            messageId is null && appId is null && type is null ? null : new(messageId, appId, type);
    }
}
