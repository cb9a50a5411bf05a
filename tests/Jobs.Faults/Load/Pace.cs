using System.Diagnostics;

namespace Jobs.Faults.Load;

/// <summary>How fast the producers go, all together.</summary>
/// <param name="rate">Jobs per second, or 0 for as many as the broker takes.</param>
/// <param name="producers">How many share it.</param>
sealed class Pace(int rate, int producers)
{
    /// <summary>What is in flight when a fault begins, and what is kept in flight with a rate of 0.</summary>
    public const int Surge = 2_400;

    /// <summary>What is in flight at most: during an outage the callers wait, as those of an application would.</summary>
    public const int MaxInFlight = 6_000;

    /// <summary>More jobs than this wait to be run: no new ones until the workers have caught up.</summary>
    public const int MaxBacklog = 20_000;

    long surgeUntil;

    public int Rate => rate;

    /// <summary>Set from outside: confirmed and not run yet.</summary>
    public long Backlog { get; set; }

    public bool IsSurging => rate == 0 || Stopwatch.GetTimestamp() < Volatile.Read(ref surgeUntil);

    public void SurgeFor(TimeSpan time) => Volatile.Write(ref surgeUntil, Stopwatch.GetTimestamp() + (long)(time.TotalSeconds * Stopwatch.Frequency));

    /// <summary>How many one producer may send now.</summary>
    /// <param name="elapsed">Since it asked the last time.</param>
    /// <param name="inFlight">Its calls that have not returned.</param>
    /// <param name="credit">What was left over; its own.</param>
    public int Allow(TimeSpan elapsed, int inFlight, ref double credit)
    {
        var fullness = (double)Backlog / MaxBacklog;
        if (fullness >= 1)
        {
            credit = 0;
            return 0;
        }

        if (IsSurging)
        {
            credit = 0;
            return Math.Max(0, Surge / producers + 1 - inFlight);
        }

        // Slower from half of it on, so that the rate settles where the workers are.
        var share = rate * Math.Clamp(2 - 2 * fullness, 0, 1) / producers;
        credit = Math.Min(credit + share * elapsed.TotalSeconds, share);
        var allowed = Math.Clamp((int)credit, 0, Math.Max(0, MaxInFlight / producers - inFlight));
        credit -= allowed;
        return allowed;
    }
}
