namespace Jobs.Wire;

/// <summary>
/// A message whose headers have been read: what Jobs itself needs of them. Everything else stays in
/// <see cref="Message"/> and survives a round trip.
/// </summary>
sealed class JobEnvelope
{
    JobEnvelope(JobMessage message) => Message = message;

    public JobMessage Message { get; }

    public string Task { get; private init; } = "";

    public string Id { get; private init; } = "";

    public string? RootId { get; private init; }

    public string? ParentId { get; private init; }

    public int Retries { get; private init; }

    public DateTimeOffset? Eta { get; private init; }

    public DateTimeOffset? Expires { get; private init; }

    /// <summary>The schedule that fired it, if one did.</summary>
    public string? Schedule { get; private init; }

    public string? TraceParent { get; private init; }

    public string? TraceState { get; private init; }

    /// <exception cref="JobFormatException">It is not a job of Celery's message protocol 2. No other exception leaves this method, whatever the bytes.</exception>
    public static JobEnvelope Read(JobMessage message)
    {
        if (message.ContentType is { Length: > 0 } type && !type.StartsWith(JobMessage.Json, StringComparison.OrdinalIgnoreCase))
        {
            throw new JobFormatException($"The content type is '{type}'; only {JobMessage.Json} is read.");
        }

        if (message.ContentEncoding is { Length: > 0 } encoding && !encoding.Equals("utf-8", StringComparison.OrdinalIgnoreCase) && !encoding.Equals("utf8", StringComparison.OrdinalIgnoreCase))
        {
            throw new JobFormatException($"The content encoding is '{encoding}'; only utf-8 is read.");
        }

        var headers = message.Headers;
        if (headers.Compression is { } compression)
        {
            throw new JobFormatException($"The body is compressed with '{compression}', which is not read.");
        }

        if (headers.Task is not { Length: > 0 } task)
        {
            throw new JobFormatException("The message has no 'task' header: it is not of Celery's message protocol 2.");
        }

        if (headers.Id is not { Length: > 0 } id)
        {
            throw new JobFormatException($"The message for task '{task}' has no 'id' header.");
        }

        return new JobEnvelope(message)
        {
            Task = task,
            Id = id,
            RootId = headers.RootId,
            ParentId = headers.ParentId,
            Retries = headers.Retries,
            Eta = headers.Eta,
            Expires = headers.Expires,
            Schedule = headers.Schedule,
            TraceParent = headers.TraceParent,
            TraceState = headers.TraceState,
        };
    }

    /// <summary>The message again, for its next attempt.</summary>
    public JobMessage Retry(DateTimeOffset eta, int stamp)
    {
        var copy = Message.Copy(stamp);
        copy.Headers.Retries = Retries + 1;
        copy.Headers.Eta = eta;
        return copy;
    }
}
