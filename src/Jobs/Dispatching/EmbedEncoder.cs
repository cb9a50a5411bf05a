using System.Text.Json;
using Jobs.Wire;

namespace Jobs.Dispatching;

/// <summary>
/// Writes what shall follow a job into its message: the later links of its chain, callbacks and errbacks, as Celery's
/// signatures. Everything that a link needs is written here (id, queue, priority, expiry), because its publisher is
/// some worker that may not know the task.
/// </summary>
sealed class EmbedEncoder(JobEncoder encoder, WireTypes types)
{
    /// <summary>The embed of a job.</summary>
    /// <param name="job">The job.</param>
    /// <param name="id">Its id.</param>
    /// <param name="later">The later links of the chain that begins with the job.</param>
    /// <param name="replyTo">The address for results.</param>
    /// <returns>What writes the embed; <see langword="null"/> when nothing follows.</returns>
    /// <exception cref="ArgumentException">A link cannot be sent as it is.</exception>
    public Action<Utf8JsonWriter>? Of(Job job, string id, ReadOnlyMemory<Link> later, string? replyTo) =>
        job.Followers is null && later.IsEmpty ? null : Writing(job, id, later, replyTo); // a lambda here would cost each plain job its closure

    Action<Utf8JsonWriter> Writing(Job job, string id, ReadOnlyMemory<Link> later, string? replyTo) => json =>
    {
        var followers = job.Followers ?? Followers.None;
        json.WriteStartObject();
        json.WritePropertyName("callbacks");
        WriteFollowers(json, followers.OnSuccess.AsSpan(), id, "callback", replyTo);
        json.WritePropertyName("errbacks");
        WriteFollowers(json, followers.OnFailure.AsSpan(), id, "errback", replyTo);
        json.WritePropertyName("chain");
        WriteChain(json, later.Span, id, replyTo);
        json.WriteNull("chord");
        json.WriteEndObject();
    };

    /// <summary>The id of a link of a chain.</summary>
    /// <param name="link">The link.</param>
    /// <param name="first">The id of the first job.</param>
    /// <param name="position">The place of the link, from 1.</param>
    public static string IdOf(in Link link, string first, int position) => link.Job.Id ?? DerivedId.Of(first, "chain", position);

    // The next link is the last on the wire.
    void WriteChain(Utf8JsonWriter json, ReadOnlySpan<Link> later, string first, string? replyTo)
    {
        if (later.IsEmpty)
        {
            json.WriteNullValue();
            return;
        }

        json.WriteStartArray();
        for (var i = later.Length; i > 0; i--)
        {
            Write(json, later[i - 1], IdOf(later[i - 1], first, i), replyTo);
        }

        json.WriteEndArray();
    }

    void WriteFollowers(Utf8JsonWriter json, ReadOnlySpan<Link> links, string id, string role, string? replyTo)
    {
        if (links.IsEmpty)
        {
            json.WriteNullValue();
            return;
        }

        json.WriteStartArray();
        for (var i = 0; i < links.Length; i++)
        {
            Write(json, links[i], links[i].Job.Id ?? DerivedId.Of(id, role, i), replyTo);
        }

        json.WriteEndArray();
    }

    void Write(Utf8JsonWriter json, in Link link, string id, string? replyTo)
    {
        var job = link.Job;
        var merged = encoder.Merge(job);
        json.WriteStartObject();
        json.WriteString("task", job.TaskName);
        JobBody.WriteArguments(job.TaskName, job.Arguments, new(json, types), json, asProperties: true);
        json.WriteStartObject("options");
        json.WriteString("task_id", JobEncoder.CheckedId(job, id));
        json.WriteString("queue", merged.Queue);
        if (replyTo is not null && job.Result == true)
        {
            json.WriteString("reply_to", replyTo);
        }

        if (merged.Priority is { } priority)
        {
            json.WriteNumber("priority", priority);
        }

        if (merged.Expires is { } expires)
        {
            json.WriteNumber("expires", expires.TotalSeconds);
        }

        if (job.Delay is { } delay)
        {
            json.WriteNumber("countdown", delay.TotalSeconds);
        }

        if (job.Eta is { } eta)
        {
            json.WriteString("eta", WireTime.Format(eta));
        }

        WriteHeaders(json, job);
        if (job.Followers is { } followers)
        {
            json.WritePropertyName("link");
            WriteFollowers(json, followers.OnSuccess.AsSpan(), id, "callback", replyTo);
            json.WritePropertyName("link_error");
            WriteFollowers(json, followers.OnFailure.AsSpan(), id, "errback", replyTo);
        }

        json.WriteEndObject();
        json.WriteNull("subtask_type");
        json.WriteBoolean("immutable", !link.TakesResult);
        json.WriteEndObject();
    }

    static void WriteHeaders(Utf8JsonWriter json, Job job)
    {
        if (job.Headers is not { Count: > 0 } headers)
        {
            return;
        }

        json.WriteStartObject("headers");
        foreach (var (name, value) in headers)
        {
            json.WritePropertyName(name);
            switch (value)
            {
                case string text: json.WriteStringValue(text); break;
                case bool yes: json.WriteBooleanValue(yes); break;
                case int number: json.WriteNumberValue(number); break;
                case double number: json.WriteNumberValue(number); break;
                default: json.WriteNullValue(); break;
            }
        }

        json.WriteEndObject();
    }
}
