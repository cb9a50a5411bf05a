using Jobs.Wire;
using RabbitMQ.Client;

namespace Jobs.RabbitMQ;

/// <summary>
/// Maps a job's message to AMQP properties and back. The mapping interprets nothing and loses nothing.
/// </summary>
static class MessageMapping
{
    /// <summary>
    /// Makes new properties for every publish, because the client writes into the properties that it gets.
    /// </summary>
    public static BasicProperties Properties(JobMessage message)
    {
        var properties = new BasicProperties
        {
            ContentType = message.ContentType,
            ContentEncoding = message.ContentEncoding,
            CorrelationId = message.CorrelationId,
            DeliveryMode = DeliveryModes.Persistent,
            Headers = message.Headers.Entries!,
        };
        if (message.ReplyTo is not null)
        {
            properties.ReplyTo = message.ReplyTo;
        }

        if (message.MessageId is not null)
        {
            properties.MessageId = message.MessageId;
        }

        if (message.AppId is not null)
        {
            properties.AppId = message.AppId;
        }

        if (message.Type is not null)
        {
            properties.Type = message.Type;
        }

        if (message.Priority is { } priority)
        {
            properties.Priority = priority;
        }

        if (message.Timestamp != 0)
        {
            properties.Timestamp = new(message.Timestamp);
        }

        return properties;
    }

    /// <param name="properties">The properties as delivered.</param>
    /// <param name="body">The client's buffer. It is valid only during the callback, so the bytes are copied.</param>
    /// <param name="likelyTask">The task of the message before this one.</param>
    public static JobMessage Message(IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body, string? likelyTask = null) => new()
    {
        Headers = properties.Headers switch
        {
            null => new(),
            Dictionary<string, object?> own => JobHeaders.Received(own, likelyTask, properties.CorrelationId),
            var other => JobHeaders.Received(new(other), likelyTask, properties.CorrelationId),
        },
        Body = body.ToArray(),
        ContentType = properties.ContentType,
        ContentEncoding = properties.ContentEncoding,
        CorrelationId = properties.CorrelationId,
        ReplyTo = properties.ReplyTo,
        MessageId = properties.MessageId,
        AppId = properties.AppId,
        Type = properties.Type,
        Priority = properties.IsPriorityPresent() ? properties.Priority : null,
        Timestamp = properties.IsTimestampPresent() ? properties.Timestamp.UnixTime : 0,
    };

    /// <summary>
    /// How often the message was delivered without an ack: by the queue that it is in, and before it was written into
    /// this queue.
    /// </summary>
    public static int DeliveryCount(JobMessage message) =>
        (int)Math.Min((long)Count(message, "x-delivery-count") + Count(message, WireHeaders.Deliveries), int.MaxValue);

    // Zero when the header is missing or is not a number.
    static int Count(JobMessage message, string header) => message.Headers.TryGetValue(header, out var value)
        ? value switch
        {
            int i => Math.Max(i, 0),
            long l => (int)Math.Clamp(l, 0, int.MaxValue),
            _ => 0,
        }
        : 0;
}
