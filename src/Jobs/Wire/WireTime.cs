using System.Globalization;

namespace Jobs.Wire;

/// <summary>Times as Celery writes them: UTC with at most six fraction digits and <c>+00:00</c>. With .NET's seven, Celery 5.2 drops the message.</summary>
static class WireTime
{
    /// <summary>For a time that is UTC.</summary>
    public const string Pattern = "yyyy-MM-dd'T'HH:mm:ss.ffffff'+00:00'";

    /// <summary>The last moment keeps its seven digits, or it would be another one; no other time that is sent has them.</summary>
    public const string PatternOfMax = "yyyy-MM-dd'T'HH:mm:ss.fffffff'+00:00'";

    public static string Format(DateTimeOffset time) => time.UtcDateTime.ToString(Pattern, CultureInfo.InvariantCulture);

    /// <summary>A time without an offset is UTC.</summary>
    public static bool TryParse(string text, out DateTimeOffset time) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out time);
}
