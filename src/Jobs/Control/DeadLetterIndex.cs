using System.Globalization;

namespace Jobs.Control;

/// <summary>All dead letters, the newest first. Not thread-safe.</summary>
sealed class DeadLetterIndex
{
    static readonly IComparer<DeadLetterInfo> newestFirst = Comparer<DeadLetterInfo>.Create(
        (one, other) => one.At != other.At ? other.At.CompareTo(one.At) : string.CompareOrdinal(one.Id, other.Id));

    static readonly DeadLetterQuery everything = new();

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
        if (query == everything)
        {
            return Page(From(Position(after)), ordered.Count, limit); // the rest need not be looked at
        }

        var (start, selected) = (Position(after), Selected(query).ToList());
        return Page(selected.SkipWhile(letter => start is not null && newestFirst.Compare(letter, start) <= 0), selected.Count, limit);
    }

    static DeadLetterPage Page(IEnumerable<DeadLetterInfo> rest, int total, int limit)
    {
        var page = rest.Take(limit + 1).ToList();
        var last = page.Count > limit ? page[limit - 1] : null;
        return new()
        {
            Letters = last is null ? page : page[..limit],
            Total = total,
            Next = last is null ? null : string.Create(CultureInfo.InvariantCulture, $"{last.At.UtcTicks}-{last.Id}"),
        };
    }

    IEnumerable<DeadLetterInfo> From(DeadLetterInfo? start) =>
        start is null ? ordered
        : ordered.Max is { } last && newestFirst.Compare(start, last) < 0
            ? ordered.GetViewBetween(start, last).SkipWhile(letter => newestFirst.Compare(letter, start) <= 0)
        : [];

    public IReadOnlyList<DeadLetterGroup> Groups(DeadLetterQuery query)
    {
        var groups = new Dictionary<(string?, string?), Tally>();
        foreach (var letter in query.Ids is null ? byId.Values.Where(query.Selects) : Selected(query)) // in no order, which is quicker
        {
            var key = (letter.ExceptionType, letter.Frame);
            if (!groups.TryGetValue(key, out var tally))
            {
                groups[key] = tally = new(letter);
            }

            tally.Add(letter);
        }

        return [.. groups.Values.Select(tally => tally.ToGroup()).OrderByDescending(group => group.Count).ThenByDescending(group => group.Last)];
    }

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

    sealed class Tally(DeadLetterInfo first)
    {
        readonly HashSet<string> tasks = new(StringComparer.Ordinal);
        DeadLetterInfo newest = first;
        DeadLetterInfo oldest = first;
        int count;

        public void Add(DeadLetterInfo letter)
        {
            count++;
            newest = newestFirst.Compare(letter, newest) < 0 ? letter : newest;
            oldest = newestFirst.Compare(letter, oldest) > 0 ? letter : oldest;
            if (letter.Task is { } task)
            {
                tasks.Add(task);
            }
        }

        public DeadLetterGroup ToGroup() => new()
        {
            ExceptionType = newest.ExceptionType,
            Frame = newest.Frame,
            Reason = newest.Reason,
            Count = count,
            Tasks = [.. tasks.Order(StringComparer.Ordinal)],
            First = oldest.At,
            Last = newest.At,
        };
    }
}
