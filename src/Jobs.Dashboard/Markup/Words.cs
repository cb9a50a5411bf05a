using System.Globalization;

namespace Jobs.Dashboard.Markup;

/// <summary>Numbers, times and spans as a person reads them.</summary>
static class Words
{
    /// <summary>A number in full, with a comma for each thousand.</summary>
    public static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>A number that may be unknown.</summary>
    public static string Number(long? number) => number is { } known ? Number(known) : "–";

    /// <summary>How often something happens in a second.</summary>
    public static string Rate(double? perSecond) => perSecond switch
    {
        null => "–",
        0 => "0/s",
        < 0.1 => $"{(perSecond * 60).Value.ToString("0.#", CultureInfo.InvariantCulture)}/min",
        < 10 => $"{perSecond.Value.ToString("0.0", CultureInfo.InvariantCulture)}/s",
        _ => $"{perSecond.Value.ToString("N0", CultureInfo.InvariantCulture)}/s",
    };

    /// <summary>A span with its two largest units: 850 ms, 4.2 s, 3 min 5 s, 2 h 10 min, 5 d 3 h.</summary>
    public static string Span(TimeSpan span) => span.Duration() switch
    {
        { Ticks: 0 } => "0 ms",
        { TotalMilliseconds: < 1 } => "under 1 ms",
        { TotalSeconds: < 1 } s => $"{s.Milliseconds} ms",
        { TotalSeconds: < 10 } s => $"{s.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture)} s",
        { TotalMinutes: < 1 } s => $"{(int)s.TotalSeconds} s",
        { TotalHours: < 1 } s => Two((int)s.TotalMinutes, "min", s.Seconds, "s"),
        { TotalDays: < 1 } s => Two((int)s.TotalHours, "h", s.Minutes, "min"),
        var s => Two((int)s.TotalDays, "d", s.Hours, "h"),
    };

    /// <summary>A span that may be unknown.</summary>
    public static string Span(TimeSpan? span) => span is { } known ? Span(known) : "–";

    /// <summary>How long ago something was.</summary>
    public static string Ago(TimeSpan span) => span < TimeSpan.FromSeconds(1) ? "just now" : $"{Whole(span)} ago";

    /// <summary>A span without parts of a second, which would flicker.</summary>
    public static string Whole(TimeSpan span) => span.TotalSeconds < 60 ? $"{(int)span.TotalSeconds} s" : Span(span);

    /// <summary>A count with its noun: 1 job, 2 jobs.</summary>
    public static string Count(long count, string noun) => $"{Number(count)} {noun}{(count == 1 ? "" : noun.EndsWith('s') ? "es" : "s")}";

    static string Two(int large, string unit, int small, string smallUnit) => small == 0 ? $"{large} {unit}" : $"{large} {unit} {small} {smallUnit}";
}
