using System.Text;

namespace Jobs.Wire;

/// <summary>A message that has been read: what Jobs itself needs of it. Everything else stays in <see cref="Message"/> and survives a round trip.</summary>
sealed class JobEnvelope
{
    // UTF-8 that is not valid must be an error, not U+FFFD: an id that changed on the way settles somebody else's job.
    static readonly UTF8Encoding strictUtf8 = new(false, throwOnInvalidBytes: true);

    JobEnvelope(JobMessage message, JobBody body)
    {
        Message = message;
        Body = body;
    }

    public JobMessage Message { get; }

    public JobBody Body { get; }

    public string Task { get; private set; } = "";

    public string Id { get; private set; } = "";

    public string? RootId { get; private set; }

    public string? ParentId { get; private set; }

    public int Retries { get; private set; }

    public DateTimeOffset? Eta { get; private set; }

    public DateTimeOffset? Expires { get; private set; }

    public string? TraceParent { get; private set; }

    public string? TraceState { get; private set; }

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

        var envelope = new JobEnvelope(message, JobBody.Read(message.Body));
        foreach (var (name, value) in message.Headers)
        {
            if (value is null)
            {
                continue;
            }

            switch (name)
            {
                case WireHeaders.Task: envelope.Task = Text(name, value); break;
                case WireHeaders.Id: envelope.Id = Text(name, value); break;
                case WireHeaders.RootId: envelope.RootId = Text(name, value); break;
                case WireHeaders.ParentId: envelope.ParentId = Text(name, value); break;
                case WireHeaders.Retries: envelope.Retries = Count(name, value); break;
                case WireHeaders.Eta: envelope.Eta = Time(name, value); break;
                case WireHeaders.Expires: envelope.Expires = Time(name, value); break;
                case WireHeaders.TraceParent: envelope.TraceParent = Text(name, value); break;
                case WireHeaders.TraceState: envelope.TraceState = Text(name, value); break;
                case WireHeaders.Compression: throw new JobFormatException($"The body is compressed with '{Text(name, value)}', which is not read.");
            }
        }

        if (envelope.Task.Length == 0)
        {
            throw new JobFormatException("The message has no 'task' header: it is not of Celery's message protocol 2.");
        }

        if (envelope.Id.Length == 0)
        {
            throw new JobFormatException($"The message for task '{envelope.Task}' has no 'id' header.");
        }

        return envelope;
    }

    /// <summary>The message again, for its next attempt.</summary>
    public JobMessage Retry(DateTimeOffset eta, int stamp)
    {
        var copy = Message.Copy(stamp);
        copy.Headers[WireHeaders.Retries] = Retries + 1;
        copy.Headers[WireHeaders.Eta] = WireTime.Format(eta);
        return copy;
    }

    static string Text(string name, object value)
    {
        if (value is string text)
        {
            return text;
        }

        try
        {
            return value is byte[] bytes ? strictUtf8.GetString(bytes) : throw Wrong(name, value, "text");
        }
        catch (DecoderFallbackException e)
        {
            throw new JobFormatException($"The header '{name}' is not UTF-8.", e);
        }
    }

    static int Count(string name, object value) => value switch
    {
        int i and >= 0 and < int.MaxValue => i, // the next one must be a count too
        long l and >= 0 and < int.MaxValue => (int)l,
        short s and >= 0 => s,
        byte b => b,
        _ => throw Wrong(name, value, "a count"),
    };

    static DateTimeOffset Time(string name, object value) =>
        WireTime.TryParse(Text(name, value), out var time) ? time : throw Wrong(name, value, "an ISO-8601 time");

    static JobFormatException Wrong(string name, object value, string expected) =>
        new($"The header '{name}' is not {expected} but {(value is byte[] bytes ? $"'{Encoding.UTF8.GetString(bytes)}'" : $"'{value}' ({value.GetType().Name})")}.");
}
