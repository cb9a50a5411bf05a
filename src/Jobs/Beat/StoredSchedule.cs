using System.Globalization;
using System.Text.Json;
using Jobs.Dispatching;
using Jobs.Registry;
using Jobs.Wire;

namespace Jobs.Beat;

/// <summary>
/// A schedule that was set at run time, as it travels in the journal. It is complete, so that a beat that does not know
/// the task can fire it.
/// </summary>
sealed record StoredSchedule
{
    public string? Cron { get; init; }

    public TimeSpan? Every { get; init; }

    public string? TimeZone { get; init; }

    public MisfirePolicy Misfire { get; init; }

    public required string Task { get; init; }

    public required string Queue { get; init; }

    /// <summary>Arguments and keyword arguments, as in a message.</summary>
    public required JsonElement Body { get; init; }

    public TimeSpan? Delay { get; init; }

    public TimeSpan? Expires { get; init; }

    public byte? Priority { get; init; }

    public Dictionary<string, JsonElement>? Headers { get; init; }

    /// <summary>
    /// Makes a stored schedule of a job. Queue, expiry and priority are merged here, because the beat that leads may
    /// have other tasks and options.
    /// </summary>
    public static StoredSchedule Of(Job job, JobEncoder encoder)
    {
        var merged = encoder.Merge(job);
        return new()
        {
            Task = job.TaskName,
            Queue = merged.Queue,
            Body = JsonElement.Parse(encoder.WriteBody(job), new() { MaxDepth = WireTypes.MaxDepth }),
            Delay = job.Delay,
            Expires = merged.Expires,
            Priority = merged.Priority,
            Headers = job.Headers?.ToDictionary(header => header.Key, header => HeaderJson(header.Key, header.Value)),
        };
    }

    /// <summary>Makes a stored schedule of a schedule of code or configuration.</summary>
    /// <exception cref="ArgumentException">The job cannot be sent as it is.</exception>
    public static StoredSchedule OfSchedule(Schedule schedule, JobEncoder encoder) => Of(schedule.Job, encoder) with
    {
        Cron = schedule.Timing.CronText,
        TimeZone = schedule.Timing.ZoneId,
        Every = schedule.Timing.Interval,
        Misfire = schedule.Misfire,
    };

    /// <exception cref="ArgumentException">
    /// This machine does not know the time zone, or another version of Jobs wrote the schedule.
    /// </exception>
    public Schedule ToSchedule(string name, long version, TaskRegistry tasks)
    {
        if (Body.ValueKind != JsonValueKind.Array || Body.GetArrayLength() < 2)
        {
            throw new ArgumentException($"The arguments of schedule '{name}' are not an array of arguments and keyword arguments.");
        }

        var job = new Job(
            Task,
            [.. Body[0].EnumerateArray()],
            Body[1].EnumerateObject().ToDictionary(p => p.Name, object? (p) => p.Value))
        {
            Definition = tasks.Find(Task),
            Queue = Queue,
            Delay = Delay,
            Expires = Expires,
            Priority = Priority,
            Headers = Headers?.ToDictionary(header => header.Key, header => HeaderValue(header.Value)),
        };
        return new(name, Timing.Of(Cron, Every, TimeZone), job, Misfire) { Since = EditClock.Time(version) };
    }

    static JsonElement HeaderJson(string name, object? value) => value switch
    {
        null => JsonElement.Parse("null"u8),
        string s => JsonSerializer.SerializeToElement(s, BeatJson.Default.String),
        bool b => JsonElement.Parse(b ? "true"u8 : "false"u8),
        int i => JsonSerializer.SerializeToElement(i, BeatJson.Default.Int32),
        double d when double.IsFinite(d) => JsonElement.Parse(Number(d)),
        double d => throw new ArgumentException($"The job of a schedule has a header '{name}' with the value {d}, which JSON has no text for; use a "
            + "finite number."),
        _ => throw new ArgumentException($"The job of a schedule has a header '{name}' of type {value.GetType().Name}; use string, bool, int, double or null."),
    };

    // A double always gets a fraction: 1.0 would otherwise be written as 1, and come back as an int.
    static string Number(double value)
    {
        var text = value.ToString("R", CultureInfo.InvariantCulture);
        return IsFraction(text) ? text : $"{text}.0";
    }

    static bool IsFraction(string number) => number.AsSpan().ContainsAny('.', 'e', 'E');

    static object? HeaderValue(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString(),
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Number => !IsFraction(value.GetRawText()) && value.TryGetInt32(out var number) ? (object)number : value.GetDouble(),
        _ => null,
    };
}
