using System.Globalization;

namespace Jobs.Settings;

/// <summary>Reads a duration from a configuration file. The text must say its unit.</summary>
/// <remarks>
/// .NET reads <c>30</c> as 30 days and <c>24:00:00</c> as 24 days (dotnet/runtime#40316), but people who write so mean
/// seconds and hours. This class refuses such a text. It reads <c>90s</c>, <c>15m</c>, <c>24h</c> and <c>7d</c> too.
/// </remarks>
static class Duration
{
    const string Fitting = "write 500ms, 90s, 15m, 24h, 7d, or hh:mm:ss with hours below 24, or d.hh:mm:ss";

    /// <param name="text">The text.</param>
    /// <param name="value">The duration.</param>
    /// <returns>What is wrong with the text, or <see langword="null"/>.</returns>
    public static string? Problem(string text, out TimeSpan value)
    {
        value = default;
        text = text.Trim();
        var number = text.TrimEnd("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".ToCharArray());
        if (number.Length < text.Length)
        {
            return WithUnit(number.TrimEnd(), text[number.Length..], out value);
        }

        var digits = text.TrimStart('-');
        if (IsNumber(digits))
        {
            return $"has no unit: .NET reads it as {text} days; write {text}s for seconds, {text}m for minutes or {text}d for days";
        }

        if (digits.Split(':') is { Length: 2 or 3 } parts && IsNumber(parts[0])
            && (!int.TryParse(parts[0], CultureInfo.InvariantCulture, out var hours) || hours > 23))
        {
            return $"has more than 23 hours: .NET reads it as {parts[0]} days; write {parts[0]}h for hours or {parts[0]}d for days";
        }

        return TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out value) ? null : $"is not a time: {Fitting}";
    }

    static string? WithUnit(string number, string unit, out TimeSpan value)
    {
        value = default;
        var ticks = unit.ToLowerInvariant() switch
        {
            "ms" => TimeSpan.TicksPerMillisecond,
            "s" => TimeSpan.TicksPerSecond,
            "m" or "min" => TimeSpan.TicksPerMinute,
            "h" => TimeSpan.TicksPerHour,
            "d" => TimeSpan.TicksPerDay,
            _ => 0,
        };
        if (ticks == 0
            || !decimal.TryParse(number, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var count))
        {
            return $"is not a time: {Fitting}";
        }

        if (Math.Abs(count) > TimeSpan.MaxValue.Ticks / ticks)
        {
            return "is longer than a time can be";
        }

        value = TimeSpan.FromTicks((long)(count * ticks));
        return null;
    }

    static bool IsNumber(string text) => text.Length > 0 && text.All(char.IsAsciiDigit);
}
