using Jobs.Diagnostics;

namespace Jobs.Events;

/// <summary>Writes what a worker tells of itself.</summary>
/// <remarks>
/// Receivers copy each field to an object of theirs. So no event of a worker may have a field called <c>alive</c>,
/// <c>id</c>, <c>event</c>, <c>status_string</c> or <c>heartbeat_expires</c>.
/// </remarks>
static class WorkerEvents
{
    /// <summary>
    /// How often a worker says that it lives. Receivers take a worker for dead that has missed two of these times.
    /// </summary>
    public static TimeSpan BeatsEvery { get; } = TimeSpan.FromSeconds(2);

    /// <summary>How often a worker says how many jobs it had.</summary>
    public static TimeSpan CountsEvery { get; } = TimeSpan.FromSeconds(1);

    public static void Online(EventWriter writer, in WorkerFacts worker) => Write(writer, "worker-online"u8, worker);

    public static void Heartbeat(EventWriter writer, in WorkerFacts worker) => Write(writer, "worker-heartbeat"u8, worker);

    public static void Offline(EventWriter writer, in WorkerFacts worker) => Write(writer, "worker-offline"u8, worker);

    /// <summary>An event of our own. Celery's receivers pass over events that are of no task and no worker.</summary>
    public static void Counts(EventWriter writer, in (DateTimeOffset At, DateTimeOffset Since, List<TaskCount> Counts) told)
    {
        writer.Begin("jobs-counts"u8, told.At);
        var json = writer.Json;
        json.WriteNumber("since"u8, EventWriter.Seconds(told.Since));
        json.WriteStartArray("counts"u8);
        foreach (var count in told.Counts)
        {
            json.WriteStartObject();
            json.WriteString("task"u8, count.Task);
            json.WriteString("queue"u8, count.Queue);
            json.WriteNumber("received"u8, count.Received);
            json.WriteNumber("started"u8, count.Started);
            json.WriteNumber("succeeded"u8, count.Succeeded);
            json.WriteNumber("failed"u8, count.Failed);
            json.WriteNumber("retried"u8, count.Retried);
            json.WriteNumber("expired"u8, count.Expired);
            json.WriteNumber("given_back"u8, count.GivenBack);
            json.WriteNumber("runtime"u8, count.Runtime.TotalSeconds);
            if (count.Wait is { } wait)
            {
                json.WriteNumber("wait"u8, wait.TotalSeconds);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        writer.End();
    }

    static void Write(EventWriter writer, ReadOnlySpan<byte> type, in WorkerFacts worker)
    {
        writer.Begin(type, worker.At);
        writer.Json.WriteNumber("since"u8, EventWriter.Seconds(worker.Since));
        var (json, load) = (writer.Json, LoadAverage.Read());
        json.WriteNumber("freq"u8, BeatsEvery.TotalSeconds);
        json.WriteNumber("active"u8, worker.Active);
        json.WriteNumber("processed"u8, worker.Processed);
        json.WriteStartArray("loadavg"u8);
        json.WriteNumberValue(load.One);
        json.WriteNumberValue(load.Five);
        json.WriteNumberValue(load.Fifteen);
        json.WriteEndArray();
        json.WriteString("sw_ident"u8, "jobs"u8);
        json.WriteString("sw_ver"u8, TelemetryNames.Version);
        json.WriteString("sw_sys"u8, System);
        json.WriteString("version"u8, TelemetryNames.Version);
        json.WriteNumber("slots"u8, worker.Slots);
        json.WriteStartArray("queues"u8);
        foreach (var queue in worker.Queues)
        {
            json.WriteStringValue(queue);
        }

        json.WriteEndArray();
        WriteRunning(json, worker);
        writer.End();
    }

    // For a viewer only.
    static void WriteRunning(System.Text.Json.Utf8JsonWriter json, in WorkerFacts worker)
    {
        if (worker.Running is not { } running)
        {
            return;
        }

        json.WriteStartArray("running"u8);
        foreach (var run in running)
        {
            json.WriteStartObject();
            json.WriteString("uuid"u8, run.Id);
            json.WriteString("name"u8, run.Task);
            json.WriteString("queue"u8, run.Queue);
            json.WriteNumber("seconds"u8, Math.Max(0, (worker.At - run.StartedAt).TotalSeconds)); // the clocks of two machines differ
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    // As Python's platform.system() names them.
    static string System { get; } = OperatingSystem.IsLinux() ? "Linux"
        : OperatingSystem.IsWindows() ? "Windows"
        : OperatingSystem.IsMacOS() ? "Darwin"
        : Environment.OSVersion.Platform.ToString();
}

/// <summary>What a worker tells of itself.</summary>
/// <param name="At">When.</param>
/// <param name="Since">When it began.</param>
/// <param name="Active">How many jobs run now.</param>
/// <param name="Processed">How many jobs have begun to run since the worker began.</param>
/// <param name="Slots">How many jobs can run at once.</param>
/// <param name="Queues">The queues that it takes jobs from.</param>
/// <param name="Running">The jobs that run, the oldest first; <see langword="null"/> when no viewer asks.</param>
readonly record struct WorkerFacts(
    DateTimeOffset At, DateTimeOffset Since, int Active, long Processed, int Slots, IReadOnlyList<string> Queues, IReadOnlyList<RunningFacts>? Running = null);

/// <summary>A job that runs now.</summary>
readonly record struct RunningFacts(string Id, string Task, string Queue, DateTimeOffset StartedAt);
