using System.Globalization;

namespace Jobs.Wire;

/// <summary>
/// Times as Celery writes them: UTC with at most six fraction digits and <c>+00:00</c>. With .NET's seven, Celery 5.2
/// drops the message.
/// </summary>
static class WireTime
{
    /// <summary>The pattern for a time that is UTC.</summary>
    public const string Pattern = "yyyy-MM-dd'T'HH:mm:ss.ffffff'+00:00'";

    /// <summary>
    /// The pattern for the last moment of .NET, with all seven digits: without the last digit, another time would
    /// arrive. No other time is sent with seven digits.
    /// </summary>
    public const string PatternOfMax = "yyyy-MM-dd'T'HH:mm:ss.fffffff'+00:00'";

    public static string Format(DateTimeOffset time) => time.UtcDateTime.ToString(Pattern, CultureInfo.InvariantCulture);

    /// <summary>Reads a time. A time without an offset is UTC.</summary>
    public static bool TryParse(string text, out DateTimeOffset time) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out time);
}
