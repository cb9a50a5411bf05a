using Jobs.Registry;
using Jobs.Settings;

namespace Jobs;

/// <summary>
/// How this process fires schedules. Bound to the configuration section <c>Jobs:Beat</c>; values set in code, in
/// <c>AddBeat</c>, win.
/// </summary>
public sealed class BeatOptions : IBoundOptions
{
    /// <summary>
    /// How many missed occurrences <see cref="MisfirePolicy.All"/> fires at most; of more, the beat fires the latest.
    /// Defaults to 100.
    /// </summary>
    public int MisfireCap { get; set; } = 100;

    /// <summary>
    /// An occurrence counts as missed when its time passed longer ago than this. Defaults to 1 minute.
    /// </summary>
    public TimeSpan MisfireThreshold { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>Schedules from configuration, by name. Defaults to none.</summary>
    public IDictionary<string, ScheduleOptions> Schedules { get; set; } = new Dictionary<string, ScheduleOptions>();

    IReadOnlyList<string> IBoundOptions.Unbound { get; set; } = [];

    IEnumerable<string> IBoundOptions.Problems()
    {
        if (MisfireCap < 1)
        {
            yield return $"Jobs:Beat:MisfireCap {MisfireCap}: must be 1 or more.";
        }

        if (MisfireThreshold <= TimeSpan.Zero)
        {
            yield return $"Jobs:Beat:MisfireThreshold {MisfireThreshold}: must be positive.";
        }
    }
}

/// <summary>A schedule in a configuration file.</summary>
public sealed class ScheduleOptions
{
    /// <summary>The wire name of the task.</summary>
    public string? Task { get; set; }

    /// <summary>
    /// A cron expression, with five or six fields; or <see langword="null"/> when <see cref="Every"/> is set.
    /// </summary>
    public string? Cron { get; set; }

    /// <summary>A fixed interval; or <see langword="null"/> when <see cref="Cron"/> is set.</summary>
    public TimeSpan? Every { get; set; }

    /// <summary>The time zone of <see cref="Cron"/>. Defaults to UTC.</summary>
    public string? TimeZone { get; set; }

    /// <summary>JSON text: an array of positional or an object of keyword arguments. Defaults to none.</summary>
    public string? Arguments { get; set; }

    /// <summary>The queue of the jobs. Defaults to the task's queue.</summary>
    public string? Queue { get; set; }

    /// <summary>What happens to missed occurrences. Defaults to <see cref="MisfirePolicy.Once"/>.</summary>
    public MisfirePolicy Misfire { get; set; } = MisfirePolicy.Once;
}
