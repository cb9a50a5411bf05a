using System.Globalization;

namespace Jobs.Events;

/// <summary>
/// How busy the machine was over 1, 5 and 15 minutes, as Linux counts it. Elsewhere zeros, as Celery has them.
/// </summary>
static class LoadAverage
{
    const string Source = "/proc/loadavg";

    public static (double One, double Five, double Fifteen) Read()
    {
        try
        {
            return OperatingSystem.IsLinux() && File.ReadAllText(Source).Split(' ') is [var one, var five, var fifteen, ..]
                ? (Number(one), Number(five), Number(fifteen))
                : default;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return default; // a container may hide it
        }
    }

    static double Number(string text) => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : 0;
}
