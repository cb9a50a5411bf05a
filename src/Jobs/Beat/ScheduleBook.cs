using System.Text.Json;
using Jobs.Dispatching;
using Jobs.Registry;
using Jobs.Transport;
using Jobs.Wire;

namespace Jobs.Beat;

/// <summary>All schedules of the application, from attributes, code and configuration. Built once at start.</summary>
sealed class ScheduleBook
{
    readonly Dictionary<string, (Schedule Schedule, string Origin)> byName = new(StringComparer.Ordinal);
    readonly List<string> problems = [];

    ScheduleBook()
    {
    }

    public IEnumerable<Schedule> Schedules => byName.Values.Select(entry => entry.Schedule);

    public Schedule? Find(string name) => byName.TryGetValue(name, out var entry) ? entry.Schedule : null;

    /// <summary>
    /// Reads all schedules. Every problem goes to <paramref name="problems"/>, so that a start can report all of them
    /// at once.
    /// </summary>
    public static ScheduleBook Create(TaskRegistry registry, IEnumerable<Schedule> fromCode, BeatOptions options, out IReadOnlyList<string> problems)
    {
        var book = new ScheduleBook();
        foreach (var task in registry.All)
        {
            book.AddAttributes(task);
        }

        foreach (var schedule in fromCode)
        {
            book.Add(schedule, "in code");
        }

        foreach (var (name, schedule) in options.Schedules)
        {
            // "name": null in a JSON file binds as null.
            book.AddConfigured(name, schedule ?? new(), registry);
        }

        problems = book.problems;
        return book;
    }

    /// <summary>
    /// The problems of jobs that no occurrence could enqueue, for example because their arguments cannot be written.
    /// </summary>
    public IEnumerable<string> Unsendable(JobEncoder encoder)
    {
        foreach (var (schedule, origin) in byName.Values)
        {
            string? problem = null;
            try
            {
                _ = StoredSchedule.Of(schedule.Job, encoder);
            }
            catch (ArgumentException e)
            {
                problem = $"Schedule '{schedule.Name}' {origin}: {e.Message}";
            }

            if (problem is not null)
            {
                yield return problem;
            }
        }
    }

    /// <summary>
    /// All schedules whose jobs can be sent, complete, so that another process can say what is in them.
    /// </summary>
    public Dictionary<string, StoredSchedule> Stored(JobEncoder encoder)
    {
        var stored = new Dictionary<string, StoredSchedule>(StringComparer.Ordinal);
        foreach (var schedule in Schedules)
        {
            try
            {
                stored[schedule.Name] = StoredSchedule.OfSchedule(schedule, encoder);
            }
            catch (ArgumentException)
            {
                // The check at start has said so, or says so in the process with the beat.
            }
        }

        return stored;
    }

    void AddAttributes(TaskDefinition task)
    {
        var unnamed = 0;
        foreach (var attribute in task.Schedules)
        {
            var name = attribute.Name ?? (++unnamed == 1 ? task.Name : $"{task.Name}-{unnamed}");
            var origin = $"on task '{task.Name}'";
            Timing? timing = null;
            if (Try(origin, () => Schedule.Validate(name, attribute.Misfire))
                & Try(origin, () => timing = Timing.Of(attribute.Cron, attribute.Every, attribute.TimeZone)))
            {
                Add(new(name, timing!, new Job(task, JobArguments.None), attribute.Misfire), origin);
            }
        }
    }

    void AddConfigured(string name, ScheduleOptions options, TaskRegistry registry)
    {
        var origin = $"Jobs:Beat:Schedules:{name}";
        Timing? timing = null;
        Job? job = null;
        (IReadOnlyList<object?>? Positional, IReadOnlyDictionary<string, object?>? Keywords) arguments = default;

        // & and not &&: each part of an entry reports its own problem.
        if (Try(origin, () => Schedule.Validate(name, options.Misfire))
            & Try(origin, () => timing = Timing.Of(options.Cron, options.Every, options.TimeZone))
            & Try(origin, () => arguments = ReadArguments(options.Arguments))
            & Try(origin, () => ValidateQueue(options.Queue))
            & Try(origin, () => job = new Job(Required(options.Task), arguments.Positional, arguments.Keywords)))
        {
            // Even when the registry does not know the task: the task may live in another program.
            Add(new(name, timing!, job! with { Definition = registry.Find(job.TaskName), Queue = options.Queue }, options.Misfire), "in Jobs:Beat:Schedules");
        }
    }

    void Add(Schedule schedule, string origin)
    {
        if (!byName.TryAdd(schedule.Name, (schedule, origin)))
        {
            problems.Add($"Two schedules are called '{schedule.Name}': one {byName[schedule.Name].Origin} and one {origin}. Rename one: the name "
                + "makes the ids of its jobs.");
        }
    }

    bool Try(string origin, Action read)
    {
        try
        {
            read();
            return true;
        }
        catch (ArgumentException e)
        {
            problems.Add($"{origin}: {e.Message}");
            return false;
        }
    }

    static string Required(string? task) =>
        string.IsNullOrWhiteSpace(task) ? throw new ArgumentException("Task is missing: give the name of the task to run.") : task;

    static void ValidateQueue(string? queue)
    {
        if (queue is not null && !QueueName.IsValid(queue))
        {
            throw new ArgumentException($"Queue '{queue}': {QueueName.Rule}.");
        }
    }

    static (IReadOnlyList<object?>?, IReadOnlyDictionary<string, object?>?) ReadArguments(string? json)
    {
        if (string.IsNullOrWhiteSpace(json))
        {
            return default;
        }

        const string Fitting = "use a JSON array of positional or a JSON object of keyword arguments, for example [\"cricket\"] or {\"source\":\"cricket\"}.";
        try
        {
            var value = JsonElement.Parse(json, new() { AllowDuplicateProperties = false, MaxDepth = WireTypes.MaxDepth });
            return value.ValueKind switch
            {
                JsonValueKind.Array => ([.. value.EnumerateArray()], null),
                JsonValueKind.Object => (null, value.EnumerateObject().ToDictionary(p => p.Name, object? (p) => p.Value)),
                _ => throw new ArgumentException($"Arguments '{json}' is a JSON {value.ValueKind}: {Fitting}"),
            };
        }
        catch (JsonException e)
        {
            throw new ArgumentException($"Arguments '{json}' is not JSON ({e.Message.TrimEnd('.')}): {Fitting}", e);
        }
    }
}
