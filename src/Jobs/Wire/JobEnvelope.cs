namespace Jobs.Wire;

/// <summary>
/// A message whose headers have been checked, with the values that Jobs itself needs. All other headers stay in
/// <see cref="Message"/> and survive a round trip.
/// </summary>
sealed class JobEnvelope
{
    // Every job that runs allocates an envelope. So values that few jobs have, or few callers want, stay in the
    // headers, and a time is a number.
    const long Unset = long.MinValue;

    readonly long eta;
    readonly long expires;

    JobEnvelope(JobMessage message, string task, string id)
    {
        (Message, Task, Id) = (message, task, id);
        var headers = message.Headers;
        Retries = headers.Retries;
        eta = headers.Eta?.UtcTicks ?? Unset;
        expires = headers.Expires?.UtcTicks ?? Unset;

        // Read now, so that a wrong header throws here and not in a running job.
        _ = (headers.RootId, headers.ParentId, headers.Schedule, headers.TraceParent, headers.TraceState);
    }

    public JobMessage Message { get; }

    public string Task { get; }

    public string Id { get; }

    public string? RootId => Message.Headers.RootId;

    public string? ParentId => Message.Headers.ParentId;

    public int Retries { get; }

    public DateTimeOffset? Eta => eta == Unset ? null : new(eta, TimeSpan.Zero);

    public DateTimeOffset? Expires => expires == Unset ? null : new(expires, TimeSpan.Zero);

    /// <summary>The schedule that fired the job; <see langword="null"/> when none did.</summary>
    public string? Schedule => Message.Headers.Schedule;

    public string? TraceParent => Message.Headers.TraceParent;

    public string? TraceState => Message.Headers.TraceState;

    /// <exception cref="JobFormatException">
    /// The message is not a job of Celery's message protocol 2. Whatever the bytes are, the method throws no other
    /// exception.
    /// </exception>
    public static JobEnvelope Read(JobMessage message)
    {
        if (message.ContentType is { Length: > 0 } type && !type.StartsWith(JobMessage.Json, StringComparison.OrdinalIgnoreCase))
        {
            throw new JobFormatException($"The content type is '{type}'; only {JobMessage.Json} is read.");
        }

        if (message.ContentEncoding is { Length: > 0 } encoding
            && !encoding.Equals("utf-8", StringComparison.OrdinalIgnoreCase) && !encoding.Equals("utf8", StringComparison.OrdinalIgnoreCase))
        {
            throw new JobFormatException($"The content encoding is '{encoding}'; only utf-8 is read.");
        }

        var headers = message.Headers;
        if (headers.Unreadable is { } lost)
        {
            throw new JobFormatException(lost);
        }

        if (headers.Compression is { Length: > 0 } compression && !Compression.IsKnown(compression))
        {
            throw new JobFormatException($"The body is compressed with '{compression}'; only gzip, zlib and brotli are read.");
        }

        if (headers.Task is not { Length: > 0 } task)
        {
            throw new JobFormatException("The message has no 'task' header: it does not follow Celery's message protocol 2.");
        }

        if (headers.Id is not { Length: > 0 } id)
        {
            throw new JobFormatException($"The message for task '{task}' has no 'id' header.");
        }

        return new(message, task, id);
    }

    /// <summary>Makes the copy of the message for the next attempt.</summary>
    public JobMessage Retry(DateTimeOffset eta, int stamp)
    {
        var copy = Message.Copy(stamp);
        copy.Headers.Retries = Retries + 1;
        copy.Headers.Eta = eta;
        return copy;
    }
}
