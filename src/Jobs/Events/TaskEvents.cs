using System.Diagnostics;
using System.Text.Json;
using Jobs.Registry;
using Jobs.Wire;

namespace Jobs.Events;

/// <summary>Writes what happens to jobs, as Celery's workers tell it: celery-protocol.md §9.2.</summary>
/// <remarks>
/// Receivers copy each field to an object of theirs. So no event may have a field called <c>id</c>, <c>origin</c>,
/// <c>ready</c>, <c>info</c>, <c>parent</c>, <c>root</c> or <c>children</c>.
/// </remarks>
static class TaskEvents
{
    // Celery sends the whole traceback. A stack of ten thousand frames would fill the batch for all others.
    const int LongestStack = 16 * 1024;

    public static void Received(EventWriter writer, in JobEvent job)
    {
        if (job.IsNew)
        {
            Received(writer, job.Job);
        }
    }

    public static void Started(EventWriter writer, in JobEvent job)
    {
        Received(writer, job);
        writer.Begin("task-started"u8, job.Job.Id, job.At);
        writer.End();
    }

    public static void Succeeded(EventWriter writer, in JobEvent job)
    {
        Received(writer, job);
        writer.Begin("task-succeeded"u8, job.Job.Id, job.At);
        if (job.Result.IsEmpty)
        {
            writer.Json.WriteNull("result"u8); // unknown: the value of a task is not written when nobody wants it
        }
        else
        {
            Span<char> text = stackalloc char[PythonText.Longest];
            writer.Json.WriteString("result"u8, PythonText.OfValue(job.Result.Span, job.Job.Rule, text));
        }

        writer.Json.WriteNumber("runtime"u8, job.Runtime.TotalSeconds);
        writer.End();
    }

    public static void Failed(EventWriter writer, in JobEvent job) => Failure(writer, "task-failed"u8, job);

    public static void Retried(EventWriter writer, in JobEvent job) => Failure(writer, "task-retried"u8, job);

    /// <summary>The job expired before its run: Celery has no other word for it.</summary>
    public static void Expired(EventWriter writer, in JobEvent job)
    {
        Received(writer, job);
        writer.Begin("task-revoked"u8, job.Job.Id, job.At);
        writer.Json.WriteBoolean("terminated"u8, false);
        writer.Json.WriteNull("signum"u8);
        writer.Json.WriteBoolean("expired"u8, true);
        writer.End();
    }

    /// <summary>The job went back to its queue, or into a delay, and comes again.</summary>
    public static void GivenBack(EventWriter writer, in JobEvent job)
    {
        Received(writer, job);
        writer.Begin("task-rejected"u8, job.Job.Id, job.At);
        writer.Json.WriteBoolean("requeue"u8, true);
        writer.End();
    }

    /// <summary>A job was enqueued.</summary>
    public static void Sent(EventWriter writer, in SentFacts sent)
    {
        var (message, queue) = (sent.Outgoing.Message, sent.Outgoing.Queue);
        var headers = message.Headers;
        var id = headers.Id ?? "";
        writer.Begin("task-sent"u8, id, sent.At);
        Call(writer.Json, message, headers.Task ?? "", sent.Definition, sent.Rule);
        Options(writer.Json, headers.RootId ?? id, headers.ParentId, headers.Retries, headers.Eta, headers.Expires, queue);
        writer.Json.WriteString("exchange"u8, "");
        writer.Json.WriteString("routing_key"u8, queue);
        writer.End();
    }

    static void Received(EventWriter writer, in JobFacts job)
    {
        writer.Begin("task-received"u8, job.Id, job.ReceivedAt);
        Call(writer.Json, job.Message, job.Task, job.Definition, job.Rule);
        var envelope = job.Envelope;
        Options(writer.Json, envelope?.RootId ?? job.Id, envelope?.ParentId, envelope?.Retries ?? 0, envelope?.Eta, envelope?.Expires, job.Queue);
        if (ActivityContext.TryParse(job.Message.Headers.TraceParent, null, out var trace))
        {
            writer.Json.WriteString("trace_id"u8, trace.TraceId.ToHexString()); // a field of ours
        }

        writer.End();
    }

    static void Failure(EventWriter writer, ReadOnlySpan<byte> type, in JobEvent job)
    {
        Received(writer, job);
        writer.Begin(type, job.Job.Id, job.At);
        Span<char> text = stackalloc char[PythonText.Longest];
        writer.Json.WriteString("exception"u8, PythonText.OfError(job.ErrorType, job.ErrorMessage, text));
        if (job.Stack is { } stack)
        {
            writer.Json.WriteString("traceback"u8, stack.AsSpan(0, Math.Min(stack.Length, LongestStack)));
        }

        writer.End();
    }

    // What the caller shows instead of the arguments wins: Celery's way to keep secrets out of viewers.
    static void Call(Utf8JsonWriter json, JobMessage message, string task, TaskDefinition? definition, SensitiveRule rule)
    {
        json.WriteString("name"u8, task);
        if (message.Headers.GetValueOrDefault(WireHeaders.ArgumentsText) is string shown
            && message.Headers.GetValueOrDefault(WireHeaders.KeywordsText) is string shownKeywords)
        {
            json.WriteString("args"u8, Cut(shown));
            json.WriteString("kwargs"u8, Cut(shownKeywords));
            return;
        }

        Span<char> args = stackalloc char[PythonText.Longest], kwargs = stackalloc char[PythonText.Longest];
        PythonText.OfBody(PlainBody(message), definition, rule, ref args, ref kwargs);
        json.WriteString("args"u8, args);
        json.WriteString("kwargs"u8, kwargs);
    }

    // 'queue' is not in Celery's event, but celery-exporter labels its metrics by it.
    static void Options(
        Utf8JsonWriter json, string root, string? parent, int retries, DateTimeOffset? eta, DateTimeOffset? expires, string queue)
    {
        json.WriteString("root_id"u8, root);
        json.WriteString("parent_id"u8, parent);
        json.WriteNumber("retries"u8, retries);
        json.WriteString("eta"u8, eta is { } due ? WireTime.Format(due) : null);
        json.WriteString("expires"u8, expires is { } end ? WireTime.Format(end) : null);
        json.WriteString("queue"u8, queue);
    }

    static ReadOnlySpan<byte> PlainBody(JobMessage message)
    {
        try
        {
            return message.PlainBody.Span;
        }
        catch (JobFormatException)
        {
            return default; // damaged: the event of the failure says so
        }
    }

    static ReadOnlySpan<char> Cut(string text) => text.AsSpan(0, Math.Min(text.Length, PythonText.Longest));
}
