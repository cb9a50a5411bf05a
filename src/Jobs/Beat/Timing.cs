using Cronos;

namespace Jobs.Beat;

/// <summary>
/// The moments at which a schedule fires. They are a pure function of time, so any number of beats agree on them.
/// </summary>
abstract class Timing
{
    /// <summary>
    /// The first occurrence after the given moment, in UTC; <see langword="null"/> when there is none any more.
    /// </summary>
    public abstract DateTimeOffset? Next(DateTimeOffset after);

    /// <summary>
    /// A text that is the same for the same occurrences. By this text, a beat notices that the timing of a schedule was
    /// changed.
    /// </summary>
    public abstract string Key { get; }

    /// <summary>The cron expression; <see langword="null"/> for an interval.</summary>
    public virtual string? CronText => null;

    /// <summary>The id of the time zone of the cron expression; <see langword="null"/> for an interval.</summary>
    public virtual string? ZoneId => null;

    /// <summary>The interval; <see langword="null"/> for a cron expression.</summary>
    public virtual TimeSpan? Interval => null;

    /// <summary>Makes a timing from a cron expression or from an interval.</summary>
    /// <exception cref="ArgumentException">They are not valid, or not exactly one of them is given.</exception>
    public static Timing Of(string? cron, TimeSpan? every, string? timeZone) => (string.IsNullOrWhiteSpace(cron), every) switch
    {
        (false, null) => Cron(cron!, Zone(timeZone)),
        (true, { } interval) when timeZone is null => Every(interval),
        (true, { }) => throw new ArgumentException($"TimeZone '{timeZone}' has no meaning with Every: remove it, or use Cron."),
        _ => throw new ArgumentException("give exactly one of Cron and Every."),
    };

    /// <summary>
    /// The timing of a <see cref="Key"/>, for a schedule of another program; <see langword="null"/> when this program
    /// cannot read it.
    /// </summary>
    public static Timing? OfKey(string key)
    {
        try
        {
            return TimeSpan.TryParseExact(key, "c", System.Globalization.CultureInfo.InvariantCulture, out var interval) ? Every(interval)
                : key.LastIndexOf(' ') is > 0 and var space ? Cron(key[..space], Zone(key[(space + 1)..]))
                : null;
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    /// <exception cref="ArgumentException">The expression is not valid, or no date ever fits it.</exception>
    public static Timing Cron(string expression, TimeZoneInfo timeZone)
    {
        ArgumentNullException.ThrowIfNull(expression);
        ArgumentNullException.ThrowIfNull(timeZone);
        try
        {
            var fields = expression.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length;
            var timing = new CronTiming(expression, CronExpression.Parse(expression, fields == 6 ? CronFormat.IncludeSeconds : CronFormat.Standard), timeZone);
            return timing.Next(DateTimeOffset.UnixEpoch) is null ? throw NotCron("no date ever fits it") : timing;
        }
        catch (CronFormatException e)
        {
            throw NotCron(e.Message, e);
        }

        ArgumentException NotCron(string why, Exception? inner = null) => new(
            $"'{expression}' is not a cron expression: {why.TrimEnd('.')}. "
            + "Use five fields (minute, hour, day of month, month, day of week), or six with seconds first, for example '*/15 * * * *'.",
            inner);
    }

    /// <exception cref="ArgumentException">The interval is shorter than one second.</exception>
    public static Timing Every(TimeSpan interval) =>
        // Job ids name an occurrence to the second, so a shorter interval would give two occurrences the same id.
        interval >= TimeSpan.FromSeconds(1)
            ? new IntervalTiming(interval)
            : throw new ArgumentException($"{interval} is too short an interval for a schedule: use one second or more.");

    static TimeZoneInfo Zone(string? id) =>
        id is null ? TimeZoneInfo.Utc
        : TimeZoneInfo.TryFindSystemTimeZoneById(id, out var zone) ? zone
        : throw new ArgumentException($"'{id}' is not a time zone that this machine knows: use an IANA id such as 'Europe/Berlin' (a slim container "
            + "may need the package tzdata).");
}

/// <summary>
/// The occurrences of a cron expression. At the two changes of daylight saving, they are as Cronos defines them.
/// </summary>
sealed class CronTiming(string text, CronExpression expression, TimeZoneInfo timeZone) : Timing
{
    public override string Key => $"{text} {timeZone.Id}";

    public override string? CronText => text;

    public override string? ZoneId => timeZone.Id;

    public override DateTimeOffset? Next(DateTimeOffset after) => expression.GetNextOccurrence(after, timeZone)?.ToUniversalTime();
}

/// <summary>
/// The whole multiples of an interval since 1970-01-01 UTC. Neither a restart nor a late wake-up shifts them.
/// </summary>
sealed class IntervalTiming(TimeSpan interval) : Timing
{
    public override TimeSpan? Interval => interval;

    public override string Key => interval.ToString("c", System.Globalization.CultureInfo.InvariantCulture);

    public override DateTimeOffset? Next(DateTimeOffset after)
    {
        var sinceEpoch = after - DateTimeOffset.UnixEpoch;
        var untilNext = TimeSpan.FromTicks(interval.Ticks - sinceEpoch.Ticks % interval.Ticks);
        return untilNext > DateTimeOffset.MaxValue - after ? null : (after + untilNext).ToUniversalTime();
    }
}
