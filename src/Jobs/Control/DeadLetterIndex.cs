using System.Globalization;

namespace Jobs.Control;

/// <summary>All dead letters, the newest first. Not thread-safe.</summary>
/// <remarks>
/// The counts that open pages ask for every two seconds are kept, and not counted anew: letters of each queue, and of each
/// kind of failure.
/// </remarks>
sealed class DeadLetterIndex
{
    static readonly IComparer<DeadLetterInfo> newestFirst = Comparer<DeadLetterInfo>.Create(
        (one, other) => one.At != other.At ? other.At.CompareTo(one.At) : string.CompareOrdinal(one.Id, other.Id));

    static readonly DeadLetterQuery everything = new();

    readonly Dictionary<string, DeadLetterInfo> byId = new(StringComparer.Ordinal);
    readonly SortedSet<DeadLetterInfo> ordered = new(newestFirst);
    readonly Dictionary<(string? Type, string? Frame), Kind> kinds = [];
    readonly Dictionary<string, int> queues = new(StringComparer.Ordinal);

    public int Count => byId.Count;

    public bool Knows(string id) => byId.ContainsKey(id);

    public IEnumerable<string> Ids => byId.Keys;

    public DeadLetterInfo? Find(string id) => byId.GetValueOrDefault(id);

    public void Set(DeadLetterInfo letter)
    {
        Remove(letter.Id);
        byId[letter.Id] = letter;
        ordered.Add(letter);
        if (!kinds.TryGetValue((letter.ExceptionType, letter.Frame), out var kind))
        {
            kinds[(letter.ExceptionType, letter.Frame)] = kind = new();
        }

        kind.Add(letter);
        Add(queues, letter.Queue, 1);
    }

    public void Remove(string id)
    {
        if (byId.Remove(id, out var letter))
        {
            ordered.Remove(letter);
            var kind = kinds[(letter.ExceptionType, letter.Frame)];
            kind.Remove(letter);
            if (kind.Letters.Count == 0)
            {
                kinds.Remove((letter.ExceptionType, letter.Frame));
            }

            Add(queues, letter.Queue, -1);
        }
    }

    /// <summary>How many letters came from each queue.</summary>
    public IReadOnlyDictionary<string, int> Queues() => queues.ToDictionary(StringComparer.Ordinal); // it changes after the answer

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
        if (query == everything)
        {
            return Ordered(kinds.Values.Select(kind => kind.ToGroup()));
        }

        var groups = new Dictionary<(string?, string?), Tally>();
        foreach (var letter in query is { Ids: null, Frame: null } ? byId.Values.Where(query.Selects) : Selected(query)) // in no order, which is quicker
        {
            var key = (letter.ExceptionType, letter.Frame);
            if (!groups.TryGetValue(key, out var tally))
            {
                groups[key] = tally = new(letter);
            }

            tally.Add(letter);
        }

        return Ordered(groups.Values.Select(tally => tally.ToGroup()));
    }

    static List<DeadLetterGroup> Ordered(IEnumerable<DeadLetterGroup> groups) =>
        [.. groups.OrderByDescending(group => group.Count).ThenByDescending(group => group.Last)];

    IEnumerable<DeadLetterInfo> Selected(DeadLetterQuery query) => query.Ids is { } ids
        ? ids.Distinct().Select(Find).OfType<DeadLetterInfo>().Where(query.Selects).Order(newestFirst)
        : query.Frame is { } frame
            ? kinds.Where(kind => kind.Key.Frame == frame).SelectMany(kind => kind.Value.Letters).Where(query.Selects).Order(newestFirst)
            : ordered.Where(query.Selects);

    static DeadLetterInfo? Position(string? after)
    {
        var dash = after?.IndexOf('-', StringComparison.Ordinal) ?? -1;
        return dash > 0 && long.TryParse(after.AsSpan(0, dash), NumberStyles.None, CultureInfo.InvariantCulture, out var ticks)
            && ticks <= DateTimeOffset.MaxValue.UtcTicks
                ? new() { Id = after![(dash + 1)..], At = new(ticks, TimeSpan.Zero), Reason = "" }
                : null;
    }

    static void Add(Dictionary<string, int> counts, string? name, int more)
    {
        if (name is not null && (counts[name] = counts.GetValueOrDefault(name) + more) == 0)
        {
            counts.Remove(name);
        }
    }

    static DeadLetterGroup Group(DeadLetterInfo newest, DeadLetterInfo oldest, int count, IEnumerable<string> tasks) => new()
    {
        ExceptionType = newest.ExceptionType,
        Frame = newest.Frame,
        Reason = newest.Reason,
        Count = count,
        Tasks = [.. tasks.Order(StringComparer.Ordinal)],
        First = oldest.At,
        Last = newest.At,
    };

    /// <summary>All letters of one kind of failure.</summary>
    sealed class Kind
    {
        readonly Dictionary<string, int> tasks = new(StringComparer.Ordinal);

        public SortedSet<DeadLetterInfo> Letters { get; } = new(newestFirst);

        public void Add(DeadLetterInfo letter)
        {
            Letters.Add(letter);
            DeadLetterIndex.Add(tasks, letter.Task, 1);
        }

        public void Remove(DeadLetterInfo letter)
        {
            Letters.Remove(letter);
            DeadLetterIndex.Add(tasks, letter.Task, -1);
        }

        public DeadLetterGroup ToGroup() => Group(Letters.Min!, Letters.Max!, Letters.Count, tasks.Keys);
    }

    /// <summary>Counts the letters of one kind that a query selects.</summary>
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

        public DeadLetterGroup ToGroup() => Group(newest, oldest, count, tasks);
    }
}
