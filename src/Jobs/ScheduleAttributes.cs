namespace Jobs;

/// <summary>Runs the task on a cron schedule while a beat is running. A method may have several.</summary>
/// <remarks>Cronos computes the times, also around both changes of daylight saving.</remarks>
/// <param name="expression">Five fields, or six with seconds first, for example <c>*/15 * * * *</c>.</param>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
public sealed class CronAttribute(string expression) : Attribute
{
    /// <summary>The cron expression.</summary>
    public string Expression { get; } = expression;

    /// <summary>The time zone of the expression, as an IANA or Windows id. Defaults to UTC.</summary>
    public string? TimeZone { get; set; }

    /// <summary>
    /// Name of the schedule, unique in the application. Defaults to the task's name (with a number after the first).
    /// </summary>
    public string? Name { get; set; }

    /// <summary>
    /// What happens to occurrences that passed while no beat could fire. Defaults to <see cref="MisfirePolicy.Once"/>.
    /// </summary>
    public MisfirePolicy Misfire { get; set; } = MisfirePolicy.Once;
}

/// <summary>Runs the task at a fixed interval while a beat is running. A method may have several.</summary>
/// <remarks>Occurrences are whole multiples of the interval since 1970-01-01 UTC, so they never drift.</remarks>
/// <param name="days">Days of the interval.</param>
/// <param name="hours">Hours of the interval.</param>
/// <param name="minutes">Minutes of the interval.</param>
/// <param name="seconds">Seconds of the interval.</param>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
public sealed class EveryAttribute(int days = 0, int hours = 0, int minutes = 0, int seconds = 0) : Attribute
{
    /// <summary>The interval; at least one second.</summary>
    public TimeSpan Interval { get; } = new(days, hours, minutes, seconds);

    /// <summary>
    /// Name of the schedule, unique in the application. Defaults to the task's name (with a number after the first).
    /// </summary>
    public string? Name { get; set; }

    /// <summary>
    /// What happens to occurrences that passed while no beat could fire. Defaults to <see cref="MisfirePolicy.Once"/>.
    /// </summary>
    public MisfirePolicy Misfire { get; set; } = MisfirePolicy.Once;
}

/// <summary>What happens to the occurrences of a schedule that passed while no beat could fire them.</summary>
public enum MisfirePolicy
{
    /// <summary>Fire the latest missed occurrence only.</summary>
    Once,

    /// <summary>Fire no missed occurrence; go on with the next one.</summary>
    Skip,

    /// <summary>Fire the latest <see cref="BeatOptions.MisfireCap"/> missed occurrences, oldest first.</summary>
    All,
}
