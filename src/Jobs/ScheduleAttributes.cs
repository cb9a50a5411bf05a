namespace Jobs;

/// <summary>Runs the task on a cron schedule while a beat is running. May be given more than once.</summary>
/// <remarks>Times and both changes of daylight saving are as Cronos defines them.</remarks>
/// <param name="expression">Five fields, or six with seconds first, for example <c>*/15 * * * *</c>.</param>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
public sealed class CronAttribute(string expression) : Attribute
{
    /// <summary>The cron expression.</summary>
    public string Expression { get; } = expression;

    /// <summary>IANA or Windows id of the time zone that the expression is read in. Defaults to UTC.</summary>
    public string? TimeZone { get; set; }

    /// <summary>Name of the schedule, unique in the application. Defaults to the task's name (with a number after the first).</summary>
    public string? Name { get; set; }

    /// <summary>What happens to occurrences that passed while no beat could fire. Defaults to <see cref="MisfirePolicy.Once"/>.</summary>
    public MisfirePolicy Misfire { get; set; } = MisfirePolicy.Once;
}

/// <summary>Runs the task at a fixed interval while a beat is running; occurrences are whole multiples of the interval since 1970-01-01 UTC, so they never drift.</summary>
/// <param name="days">Days of the interval.</param>
/// <param name="hours">Hours of the interval.</param>
/// <param name="minutes">Minutes of the interval.</param>
/// <param name="seconds">Seconds of the interval.</param>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
public sealed class EveryAttribute(int days = 0, int hours = 0, int minutes = 0, int seconds = 0) : Attribute
{
    /// <summary>The interval; at least one second.</summary>
    public TimeSpan Interval { get; } = new(days, hours, minutes, seconds);

    /// <summary>Name of the schedule, unique in the application. Defaults to the task's name (with a number after the first).</summary>
    public string? Name { get; set; }

    /// <summary>What happens to occurrences that passed while no beat could fire. Defaults to <see cref="MisfirePolicy.Once"/>.</summary>
    public MisfirePolicy Misfire { get; set; } = MisfirePolicy.Once;
}

/// <summary>What happens to the occurrences of a schedule that passed while no beat could fire them.</summary>
public enum MisfirePolicy
{
    /// <summary>Fire the latest missed occurrence only.</summary>
    Once,

    /// <summary>Fire none of them; go on with the next occurrence.</summary>
    Skip,

    /// <summary>Fire all of them in order, oldest first, up to <see cref="BeatOptions.MisfireCap"/>.</summary>
    All,
}
