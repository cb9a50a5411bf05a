using System.Globalization;

namespace Jobs.Beat;

/// <summary>Says in English when a schedule fires, for people who do not read cron.</summary>
/// <remarks>
/// It only reads the text of the timing, so it also works for schedules of another program. What it cannot say in words,
/// such as a list of steps, it leaves as it is.
/// </remarks>
static class ScheduleWords
{
    const int MostTimes = 4;

    static readonly string[] months = CultureInfo.InvariantCulture.DateTimeFormat.MonthNames[..12];
    static readonly string[] days = CultureInfo.InvariantCulture.DateTimeFormat.DayNames;
    static readonly string[] places = ["first", "second", "third", "fourth", "fifth"];

    /// <param name="timing">A cron expression with its time zone, or an interval: see <see cref="Timing.Key"/>.</param>
    public static string Of(string timing)
    {
        if (TimeSpan.TryParseExact(timing, "c", CultureInfo.InvariantCulture, out var interval))
        {
            return Every(interval);
        }

        var parts = timing.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var words = parts.Length switch
        {
            6 => Cron("0", parts),
            7 => Cron(parts[0], parts[1..]),
            _ => null,
        };
        return words is null ? timing : parts[^1] is "UTC" or "Etc/UTC" ? $"{words}, UTC" : $"{words}, {parts[^1]} time";
    }

    static string Every(TimeSpan interval) =>
        interval.Ticks % TimeSpan.TicksPerDay == 0 ? Count((long)interval.TotalDays, "day")
        : interval.Ticks % TimeSpan.TicksPerHour == 0 ? Count((long)interval.TotalHours, "hour")
        : interval.Ticks % TimeSpan.TicksPerMinute == 0 ? Count((long)interval.TotalMinutes, "minute")
        : interval.Ticks % TimeSpan.TicksPerSecond == 0 ? Count((long)interval.TotalSeconds, "second")
        : $"every {interval:c}";

    static string Count(long number, string unit) => number == 1 ? $"every {unit}" : string.Create(CultureInfo.InvariantCulture, $"every {number:N0} {unit}s");

    // Five fields and the zone.
    static string? Cron(string second, string[] fields)
    {
        var (time, isOfDay) = Time(second, fields[0], fields[1]);
        return (time, Date(fields[2], fields[3], fields[4])) switch
        {
            (null, _) or (_, null) => null,
            (_, "") => isOfDay ? $"every day {time}" : time,
            var (when, date) => $"{when} {date}",
        };
    }

    static (string? Words, bool IsOfDay) Time(string second, string minute, string hour)
    {
        if (second != "0")
        {
            return (minute, hour) is ("*", "*") ? (Steps(second, 60, "second") ?? (second == "*" ? "every second" : null), false) : (null, false);
        }

        if (Numbers(minute, 0) is { } minutes && Numbers(hour, 0) is { } hours && minutes.Count * hours.Count <= MostTimes)
        {
            var times = from h in hours from m in minutes select string.Create(CultureInfo.InvariantCulture, $"{h:00}:{m:00}");
            return ($"at {List(times)}", true);
        }

        return (minute, hour) switch
        {
            ("*", "*") => ("every minute", false),
            (_, "*") when Steps(minute, 60, "minute") is { } steps => (steps, false),
            ("0", "*") => ("every hour", false),
            (_, "*") when Part(minute, 0, []) is { } part => ($"at {Units("minute", minute)} {part} of every hour", false),
            ("0", _) when Steps(hour, 24, "hour") is { } steps => (steps, false),
            (_, _) when Steps(hour, 24, "hour") is { } steps && Part(minute, 0, []) is { } part => ($"{steps} at {Units("minute", minute)} {part}", false),
            (_, _) when Hours(hour) is { } within => (minute == "*" ? $"every minute {within}"
                : Steps(minute, 60, "minute") is { } steps ? $"{steps} {within}"
                : Part(minute, 0, []) is { } part ? $"at {Units("minute", minute)} {part} of each hour {within}" : null, false),
            _ => (null, false),
        };
    }

    // The last minute of the last hour belongs to the range.
    static string? Hours(string hour) =>
        hour.Split('-') is [var from, var to] && Number(from, 0) is { } first && Number(to, 0) is { } last
            ? string.Create(CultureInfo.InvariantCulture, $"from {first:00}:00 to {last:00}:59")
        : Part(hour, 0, []) is { } part ? $"in {Units("hour", hour)} {part}"
        : null;

    static string? Date(string day, string month, string weekday)
    {
        var words = new[]
        {
            day is "*" or "?" ? "" : Day(day),
            weekday is "*" or "?" ? "" : day is "*" or "?" ? Weekday(weekday) : $"if it is {Part(weekday, 0, days, 7)}",
            month is "*" ? "" : Part(month, 1, months) is { } part ? $"in {part}" : null,
        };
        return words.Contains(null) || words.Contains("if it is ") ? null : string.Join(" ", words.Where(word => word!.Length > 0));
    }

    static string? Day(string day) => day switch
    {
        "L" => "on the last day of the month",
        "LW" => "on the last weekday of the month",
        [.., 'W'] when Number(day[..^1], 0) is { } near => $"on the weekday nearest to day {near} of the month",
        _ => Part(day, 0, []) is { } part ? $"on {Units("day", day)} {part} of the month" : null,
    };

    static string? Weekday(string weekday) => weekday.Split('#') switch
    {
        [var name, var place] when Part(name, 0, days, 7) is { } day && Number(place, 0) is { } number and >= 1 and <= 5 =>
            $"on the {places[number - 1]} {day} of the month",
        [[.., 'L']] when Part(weekday[..^1], 0, days, 7) is { } day => $"on the last {day} of the month",
        [_] when Part(weekday, 0, days, 7) is { } part => weekday.Contains('-') && !weekday.Contains(',') ? $"from {part}" : $"on {part}",
        _ => null,
    };

    /// <summary>A list of values and ranges; <see langword="null"/> when there is anything else in it.</summary>
    /// <param name="field">The field.</param>
    /// <param name="first">The number of the first name.</param>
    /// <param name="names">The names of the values; empty for numbers.</param>
    /// <param name="again">A number that means the same as 0.</param>
    static string? Part(string field, int first, string[] names, int again = -1)
    {
        var words = new List<string>();
        foreach (var item in field.Split(','))
        {
            var ends = item.Split('-').Select(end => Value(end, first, names, again)).ToList();
            if (ends.Count > 2 || ends.Contains(null))
            {
                return null;
            }

            words.Add(string.Join(" to ", ends));
        }

        return List(words);
    }

    static string? Value(string text, int first, string[] names, int again)
    {
        if (names.Length == 0)
        {
            return Number(text, 0)?.ToString(CultureInfo.InvariantCulture);
        }

        const int Short = 3;
        var number = Number(text, 0);
        return Array.Find(names, name => text.Length == Short && name.StartsWith(text, StringComparison.OrdinalIgnoreCase))
            ?? names.ElementAtOrDefault(number == again ? 0 : (number ?? -1) - first);
    }

    static List<int>? Numbers(string field, int least)
    {
        var numbers = field.Split(',').Select(item => Number(item, least)).ToList();
        return numbers.Contains(null) ? null : [.. numbers.Select(number => number!.Value)];
    }

    static int? Number(string text, int least) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least ? number : null;

    // Steps that do not divide the whole are uneven at its end, and have no word.
    static string? Steps(string field, int whole, string unit) =>
        (field.Split('/') is ["*" or "0", var step] ? Number(step, 1) : null) is { } number && whole % number == 0 ? Count(number, unit) : null;

    static string Units(string unit, string field) => field.AsSpan().ContainsAny(",-") ? $"{unit}s" : unit;

    static string List(IEnumerable<string> words)
    {
        var all = words.ToList();
        return all.Count < 2 ? string.Concat(all) : $"{string.Join(", ", all[..^1])} and {all[^1]}";
    }
}
