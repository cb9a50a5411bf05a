using System.Globalization;

namespace Jobs.Faults.Load;

/// <summary>A clock whose error is in a file. Its timestamps and timers are right, as a machine's are.</summary>
sealed class WrongClock(string file) : TimeProvider
{
    long checkedAt;
    long error;

    public override DateTimeOffset GetUtcNow()
    {
        var now = Environment.TickCount64;
        if (now - Interlocked.Read(ref checkedAt) > 100)
        {
            Interlocked.Exchange(ref checkedAt, now);
            Interlocked.Exchange(ref error, Read().Ticks);
        }

        return base.GetUtcNow() + TimeSpan.FromTicks(Interlocked.Read(ref error));
    }

    TimeSpan Read()
    {
        try
        {
            return double.TryParse(File.ReadAllText(file), NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) ? TimeSpan.FromSeconds(seconds) : TimeSpan.Zero;
        }
        catch (IOException)
        {
            return TimeSpan.Zero; // nobody has made it wrong yet
        }
    }
}
