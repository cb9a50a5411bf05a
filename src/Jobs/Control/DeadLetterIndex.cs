using System.Globalization;

namespace Jobs.Control;

/// <summary>All dead letters, the newest first. Not thread-safe.</summary>
sealed class DeadLetterIndex
{
    static readonly IComparer<DeadLetterInfo> newestFirst = Comparer<DeadLetterInfo>.Create(
        (one, other) => one.At != other.At ? other.At.CompareTo(one.At) : string.CompareOrdinal(one.Id, other.Id));

    readonly Dictionary<string, DeadLetterInfo> byId = new(StringComparer.Ordinal);
    readonly SortedSet<DeadLetterInfo> ordered = new(newestFirst);

    public int Count => byId.Count;

    public bool Knows(string id) => byId.ContainsKey(id);

    public IEnumerable<string> Ids => byId.Keys;

    public DeadLetterInfo? Find(string id) => byId.GetValueOrDefault(id);

    public void Set(DeadLetterInfo letter)
    {
        Remove(letter.Id);
        byId[letter.Id] = letter;
        ordered.Add(letter);
    }

    public void Remove(string id)
    {
        if (byId.Remove(id, out var letter))
        {
            ordered.Remove(letter);
        }
    }

    /// <summary>How many letters came from each queue.</summary>
    public IReadOnlyDictionary<string, int> Queues()
    {
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var letter in byId.Values)
        {
            if (letter.Queue is { } queue)
            {
                counts[queue] = counts.GetValueOrDefault(queue) + 1;
            }
        }

        return counts;
    }

    /// <param name="query">Which letters.</param>
    /// <param name="after">Where the page begins, as the page before said.</param>
    /// <param name="limit">How many letters at most.</param>
    public DeadLetterPage Page(DeadLetterQuery query, string? after, int limit)
    {
        var start = Position(after);
        List<DeadLetterInfo> page = [];
        var (total, hasMore) = (0, false);
        foreach (var letter in Selected(query))
        {
            total++;
            if (start is not null && newestFirst.Compare(letter, start) <= 0)
            {
                continue;
            }

            hasMore = page.Count == limit;
            if (!hasMore)
            {
                page.Add(letter);
            }
        }

        var last = page.LastOrDefault();
        return new()
        {
            Letters = page,
            Total = total,
            Next = hasMore && last is not null ? string.Create(CultureInfo.InvariantCulture, $"{last.At.UtcTicks}-{last.Id}") : null,
        };
    }

    public IReadOnlyList<DeadLetterGroup> Groups(DeadLetterQuery query) =>
    [
        .. Selected(query).GroupBy(letter => (letter.ExceptionType, letter.Frame))
            .Select(group => new DeadLetterGroup
            {
                ExceptionType = group.Key.ExceptionType,
                Frame = group.Key.Frame,
                Reason = group.First().Reason,
                Count = group.Count(),
                Tasks = [.. group.Select(letter => letter.Task).OfType<string>().Distinct().Order(StringComparer.Ordinal)],
                First = group.Last().At,
                Last = group.First().At,
            })
            .OrderByDescending(group => group.Count).ThenByDescending(group => group.Last),
    ];

    IEnumerable<DeadLetterInfo> Selected(DeadLetterQuery query) => query.Ids is { } ids
        ? ids.Distinct().Select(Find).OfType<DeadLetterInfo>().Where(query.Selects).Order(newestFirst)
        : ordered.Where(query.Selects);

    static DeadLetterInfo? Position(string? after)
    {
        var dash = after?.IndexOf('-', StringComparison.Ordinal) ?? -1;
        return dash > 0 && long.TryParse(after.AsSpan(0, dash), NumberStyles.None, CultureInfo.InvariantCulture, out var ticks)
            && ticks <= DateTimeOffset.MaxValue.UtcTicks
                ? new() { Id = after![(dash + 1)..], At = new(ticks, TimeSpan.Zero), Reason = "" }
                : null;
    }
}
