using System.Diagnostics;

namespace Jobs.Faults.Check;

/// <summary>How many events there were in each hundredth of a second: enough for gaps and rates, and small however long the run.</summary>
sealed class Timeline(long start)
{
    static readonly long bucket = Stopwatch.Frequency / 100;

    int[] counts = new int[1 << 16];
    int used;

    public void Add(long time)
    {
        var index = Index(time);
        if (index >= counts.Length)
        {
            Array.Resize(ref counts, Math.Max(counts.Length * 2, index + 1));
        }

        counts[index]++;
        used = Math.Max(used, index + 1);
    }

    public long Count(long from, long to)
    {
        var count = 0L;
        for (var i = Index(from); i < Math.Min(used, Index(to)); i++)
        {
            count += counts[i];
        }

        return count;
    }

    /// <summary>Events per second.</summary>
    public double Rate(long from, long to) => to <= from ? 0 : Count(from, to) * (double)Stopwatch.Frequency / (to - from);

    /// <summary>Seconds of the longest time without an event between two times.</summary>
    public double LongestGap(long from, long to)
    {
        var (longest, gap) = (0, 0);
        for (var i = Index(from); i < Index(to); i++)
        {
            gap = i < used && counts[i] > 0 ? 0 : gap + 1;
            longest = Math.Max(longest, gap);
        }

        return longest / 100.0;
    }

    /// <summary>Seconds until the first event after a time, or until <paramref name="limit"/> when there is none before it.</summary>
    public double UntilNext(long from, long limit)
    {
        var i = Index(from);
        var end = Math.Max(i, Index(limit));
        while (i < end && (i >= used || counts[i] == 0))
        {
            i++;
        }

        return (i - Index(from)) / 100.0;
    }

    int Index(long time) => (int)(Math.Max(0, time - start) / bucket);
}
