using System.Globalization;

namespace Jobs.Faults.Beats;

/// <summary>Which occurrences ran, how often and how late.</summary>
public sealed class OccurrenceBook
{
    readonly Lock gate = new();
    readonly Dictionary<string, int> runs = [];
    readonly Dictionary<string, SortedSet<long>> occurrences = [];
    readonly List<double> lateness = [];

    /// <summary>Runs of all occurrences.</summary>
    public int Runs { get; private set; }

    /// <summary>Called by the job of an occurrence.</summary>
    public void Ran(string id)
    {
        var now = DateTime.UtcNow;
        var (schedule, occurrence) = id.Split('@') is [var name, var at] ? (name, DateTime.ParseExact(at, "yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal | DateTimeStyles.AssumeUniversal)) : throw new FormatException(id);
        lock (gate)
        {
            Runs++;
            runs[id] = runs.GetValueOrDefault(id) + 1;
            if (runs[id] > 1)
            {
                return;
            }

            (occurrences.TryGetValue(schedule, out var known) ? known : occurrences[schedule] = []).Add(new DateTimeOffset(occurrence).ToUnixTimeSeconds());
            lateness.Add((now - occurrence).TotalSeconds);
        }
    }

    /// <summary>The latest occurrence that every schedule has reached.</summary>
    public long Reached(int schedules)
    {
        lock (gate)
        {
            return occurrences.Count < schedules ? 0 : occurrences.Values.Min(s => s.Max);
        }
    }

    /// <summary>The account: occurrences that there are, ids of their jobs, occurrences without a run, ids that ran more than once, and how late first runs were.</summary>
    internal (int Occurrences, int Ids, IReadOnlyList<string> Missing, int Twice, IReadOnlyList<double> Lateness) Account()
    {
        lock (gate)
        {
            var first = occurrences.Values.Min(s => s.Min);
            var missing = occurrences.SelectMany(entry => Range(first, entry.Value.Max).Where(occurrence => !entry.Value.Contains(occurrence)).Select(occurrence => $"{entry.Key}@{DateTimeOffset.FromUnixTimeSeconds(occurrence):yyyyMMdd'T'HHmmss'Z'}")).ToList();
            return (occurrences.Values.Sum(s => s.Count) + missing.Count, runs.Count, missing, runs.Values.Count(n => n > 1), [.. lateness.Order()]);
        }
    }

    static IEnumerable<long> Range(long from, long to)
    {
        for (var occurrence = from; occurrence <= to; occurrence++)
        {
            yield return occurrence;
        }
    }
}
