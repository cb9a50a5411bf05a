using System.Globalization;
using System.Text;
using Jobs.Inspection;

namespace Jobs.Tests.Inspection;

/// <summary>Events as Celery's workers and ours send them: celery-protocol.md §9.2.</summary>
static class Events
{
    /// <summary>When the events of the tests begin.</summary>
    public static DateTimeOffset Start { get; } = new(2026, 11, 20, 12, 0, 0, TimeSpan.Zero);

    /// <summary>The id of a job that was enqueued so many seconds after <see cref="Start"/>: always the same one.</summary>
    public static string Id(int number)
    {
        var milliseconds = Start.AddSeconds(number).ToUnixTimeMilliseconds().ToString("x12", CultureInfo.InvariantCulture);
        return string.Create(CultureInfo.InvariantCulture, $"{milliseconds[..8]}-{milliseconds[8..]}-7000-8000-{number:x12}");
    }

    /// <param name="type">Such as <c>task-started</c>.</param>
    /// <param name="at">Seconds after <see cref="Start"/>.</param>
    /// <param name="fields">The other fields as JSON, without braces.</param>
    /// <param name="worker">The worker.</param>
    /// <param name="clock">Its clock; 0 for an event without one.</param>
    public static string Of(string type, double at, string fields, string worker = "jobs@one", int clock = 0) => string.Create(
        CultureInfo.InvariantCulture,
        $$"""{"hostname":"{{worker}}","pid":8227,{{(clock == 0 ? "" : $"\"clock\":{clock},")}}{{fields}}{{(fields.Length == 0 ? "" : ",")}}"timestamp":{{Start.ToUnixTimeSeconds() + at}},"type":"{{type}}"}""");

    public static string Received(
        string id, double at, int retries = 0, string task = "news.refresh", string args = "('cricket',)", string? root = null, string? parent = null,
        string queue = "news", string worker = "jobs@one", int clock = 0) =>
        Of("task-received", at, $$"""
            "uuid":"{{id}}","name":"{{task}}","args":"{{args}}","kwargs":"{}","root_id":"{{root ?? id}}","parent_id":{{(parent is null ? "null" : $"\"{parent}\"")}},"retries":{{retries}},"eta":null,"expires":null,"queue":"{{queue}}"
            """, worker, clock);

    public static string Started(string id, double at, string worker = "jobs@one", int clock = 0) => Of("task-started", at, $"\"uuid\":\"{id}\"", worker, clock);

    public static string Succeeded(string id, double at, string result = "4", double runtime = 0.5, string worker = "jobs@one", int clock = 0) =>
        Of("task-succeeded", at, string.Create(CultureInfo.InvariantCulture, $"\"uuid\":\"{id}\",\"result\":\"{result}\",\"runtime\":{runtime}"), worker, clock);

    public static string Failed(string id, double at, string exception = "TimeoutException('too slow')", string traceback = Dotnet, string worker = "jobs@one", int clock = 0) =>
        Of("task-failed", at, $"\"uuid\":\"{id}\",\"exception\":{Json(exception)},\"traceback\":{Json(traceback)}", worker, clock);

    public static string Retried(string id, double at, string exception = "TimeoutException('too slow')", string traceback = Dotnet, string worker = "jobs@one", int clock = 0) =>
        Of("task-retried", at, $"\"uuid\":\"{id}\",\"exception\":{Json(exception)},\"traceback\":{Json(traceback)}", worker, clock);

    public const string Dotnet = "System.TimeoutException: too slow\n   at News.FeedClient.GetAsync(String source) in Feed.cs:line 7\n   at News.NewsTasks.RefreshAsync()";

    public const string Python = "Traceback (most recent call last):\n  File \"/usr/lib/celery/app/trace.py\", line 451, in trace_task\n    R = retval = fun(*args, **kwargs)\n"
        + "  File \"/app/tasks.py\", line 12, in fail\n    raise ValueError('bad', 42)\nValueError: ('bad', 42)\n";

    public static string Json(string text) => System.Text.Json.JsonSerializer.Serialize(text);

    public static ReadOnlyMemory<byte> Bytes(string json) => Encoding.UTF8.GetBytes(json);

    /// <summary>As prefork workers send them, with the routing key <c>task.multi</c>.</summary>
    public static ReadOnlyMemory<byte> Batch(params IEnumerable<string> events) => Bytes($"[{string.Join(',', events)}]");

    /// <summary>Lets the index read entries.</summary>
    public static JobIndex Take(this JobIndex index, params IEnumerable<string> entries)
    {
        var scratch = new JobEvent();
        foreach (var entry in entries)
        {
            EventReader.Read(Bytes(entry).Span, scratch, news => index.Apply(news));
        }

        return index;
    }

    public static JobInfo? Find(this JobIndex index, string id) => index.Find(JobKey.Of(id));
}
