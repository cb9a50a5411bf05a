using System.Globalization;

namespace Jobs.Faults.Beats;

/// <summary>Which slots ran, how often and how late.</summary>
public sealed class SlotBook
{
    readonly Lock gate = new();
    readonly Dictionary<string, int> runs = [];
    readonly Dictionary<string, SortedSet<long>> slots = [];
    readonly List<double> lateness = [];

    /// <summary>Runs of all slots.</summary>
    public int Runs { get; private set; }

    /// <summary>Called by the job of a slot.</summary>
    public void Ran(string id)
    {
        var now = DateTime.UtcNow;
        var (schedule, slot) = id.Split('@') is [var name, var at] ? (name, DateTime.ParseExact(at, "yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal | DateTimeStyles.AssumeUniversal)) : throw new FormatException(id);
        lock (gate)
        {
            Runs++;
            runs[id] = runs.GetValueOrDefault(id) + 1;
            if (runs[id] > 1)
            {
                return;
            }

            (slots.TryGetValue(schedule, out var known) ? known : slots[schedule] = []).Add(new DateTimeOffset(slot).ToUnixTimeSeconds());
            lateness.Add((now - slot).TotalSeconds);
        }
    }

    /// <summary>The latest slot that every schedule has reached.</summary>
    public long Reached(int schedules)
    {
        lock (gate)
        {
            return slots.Count < schedules ? 0 : slots.Values.Min(s => s.Max);
        }
    }

    /// <summary>The account: slots that there are, ids of their jobs, slots without a run, ids that ran more than once, and how late first runs were.</summary>
    internal (int Slots, int Ids, IReadOnlyList<string> Missing, int Twice, IReadOnlyList<double> Lateness) Account()
    {
        lock (gate)
        {
            var first = slots.Values.Min(s => s.Min);
            var missing = slots.SelectMany(entry => Range(first, entry.Value.Max).Where(slot => !entry.Value.Contains(slot)).Select(slot => $"{entry.Key}@{DateTimeOffset.FromUnixTimeSeconds(slot):yyyyMMdd'T'HHmmss'Z'}")).ToList();
            return (slots.Values.Sum(s => s.Count) + missing.Count, runs.Count, missing, runs.Values.Count(n => n > 1), [.. lateness.Order()]);
        }
    }

    static IEnumerable<long> Range(long from, long to)
    {
        for (var slot = from; slot <= to; slot++)
        {
            yield return slot;
        }
    }
}
