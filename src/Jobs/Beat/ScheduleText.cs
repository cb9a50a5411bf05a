using System.Text.Json;
using Jobs.Registry;
using Jobs.Wire;

namespace Jobs.Beat;

/// <summary>A schedule that was set at run time, as it travels in the journal: complete, so that a beat that does not know the task can fire it.</summary>
sealed record ScheduleText
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

    /// <exception cref="ArgumentException">The job has an option that makes no sense in a schedule.</exception>
    public static ScheduleText Of(Job job, TaskRegistry tasks, JobsOptions options)
    {
        if (job.Id is not null || job.Eta is not null)
        {
            throw new ArgumentException($"The job of a schedule has {(job.Id is not null ? $"the Id '{job.Id}'" : $"the Eta {job.Eta:u}")}: leave it unset, the slot gives it.", nameof(job));
        }

        var task = job.Definition ?? tasks.Find(job.Task);
        var queue = job.Queue ?? task?.Queue ?? options.DefaultQueue; // resolved here: the beat that leads may have other tasks and options
        JobDispatcher.Validate(job, job.Task, queue); // what would be refused at every slot is refused now
        _ = JobDispatcher.Eta(job, DateTimeOffset.UnixEpoch);

        return new()
        {
            Task = job.Task,
            Queue = queue,
            Body = JsonElement.Parse(JobBody.Write(job.Task, job.Arguments, options.Json)),
            Delay = job.Delay,
            Expires = job.Expires ?? task?.Expires,
            Priority = job.Priority ?? task?.Priority,
            Headers = job.Headers?.ToDictionary(header => header.Key, header => HeaderJson(header.Key, header.Value)),
        };
    }

    /// <exception cref="ArgumentException">This machine does not know the time zone, or another version of Jobs wrote it.</exception>
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
        return new(name, SlotSource.Of(Cron, Every, TimeZone), job, Misfire) { Since = EditClock.Time(version) };
    }

    static JsonElement HeaderJson(string name, object? value) => value switch
    {
        null => JsonElement.Parse("null"u8),
        string s => JsonSerializer.SerializeToElement(s, BeatJson.Default.String),
        bool b => JsonElement.Parse(b ? "true"u8 : "false"u8),
        int i => JsonSerializer.SerializeToElement(i, BeatJson.Default.Int32),
        double d => JsonSerializer.SerializeToElement(d, BeatJson.Default.Double),
        _ => throw new ArgumentException($"The job of a schedule has a header '{name}' of type {value.GetType().Name}; use string, bool, int, double or null."),
    };

    static object? HeaderValue(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString(),
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Number => value.TryGetInt32(out var number) ? (object)number : value.GetDouble(),
        _ => null,
    };
}
