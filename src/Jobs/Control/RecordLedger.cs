namespace Jobs.Control;

/// <summary>
/// The keeper's state, and which record of the journal holds which entry of it. So the keeper knows which records it
/// may forget, and which it should write anew.
/// </summary>
/// <remarks>
/// 1. Of each key the entry with the highest version counts; it lives in one record. 2. A record in which nothing lives
/// is spent: the keeper forgets it. 3. A removal lives as long as another record has an older entry of its key:
/// otherwise the next keeper would read that entry and not the removal. 4. Records with living entries are written
/// anew, many entries together, when there are many small ones, or when the oldest record is far behind the newest: a
/// broker keeps its log from the oldest record on.
/// Not thread-safe.
/// </remarks>
sealed class RecordLedger
{
    const int Small = 16 * 1024;
    const int ManySmall = 256;
    const long FarBehind = 16 * 1024 * 1024;
    const int AtOnce = 1024 * 1024;

    readonly Dictionary<string, Kept> kept = new(StringComparer.Ordinal);
    readonly SortedDictionary<long, Held> records = [];
    readonly SortedDictionary<long, Held> small = [];
    readonly HashSet<long> spent = [];
    double livingBytes;
    long appended;
    bool isCaughtUp;

    /// <summary>The bytes of the entries that count.</summary>
    public long LivingBytes => (long)livingBytes;

    /// <summary>How many records the journal has, as far as they were read.</summary>
    public int Records => records.Count;

    /// <summary>A record has come.</summary>
    /// <param name="handle">Its handle.</param>
    /// <param name="bytes">Its length.</param>
    /// <param name="entries">What is in it.</param>
    /// <param name="changed">Is called for each entry that counts now, with the entry that counted before.</param>
    public void Read(long handle, int bytes, IReadOnlyList<KeeperEntry> entries, Action<KeeperEntry, KeeperEntry?> changed)
    {
        appended += bytes;
        var held = new Held(handle, bytes, appended, [.. entries.Select(entry => entry.Key)]);
        records[handle] = held;
        if (bytes < Small)
        {
            small[handle] = held;
        }

        foreach (var entry in entries)
        {
            if (!kept.TryGetValue(entry.Key, out var known))
            {
                kept[entry.Key] = known = new();
            }

            known.Copies++;
            if (Wins(entry, known))
            {
                var before = known.Entry;
                Lives(known.In, -1);
                (known.Entry, known.In) = (entry, held);
                Lives(held, +1);
                if (before is null || before.Version != entry.Version || before.IsRemoval != entry.IsRemoval)
                {
                    changed(entry, before);
                }
            }

            if (known.Awaited == Same(entry))
            {
                known.Awaited = null;
            }
        }

        foreach (var key in held.Keys)
        {
            DropRemoval(key);
        }

        Lives(held, 0);
    }

    /// <summary>
    /// All records that there were have come. Until then no removal is dropped: an older entry of its key may come.
    /// </summary>
    public void CaughtUp()
    {
        isCaughtUp = true;
        foreach (var key in kept.Where(one => one.Value.Entry is { IsRemoval: true }).Select(one => one.Key).ToList())
        {
            DropRemoval(key);
        }
    }

    /// <summary>The records that the keeper should forget now. Then it calls <see cref="Forgotten"/>.</summary>
    public IReadOnlyCollection<long> Spent() => spent.Count == 0 ? [] : [.. spent];

    /// <summary>
    /// Records are gone from the journal. What still lived in them was written anew, and is on its way here.
    /// </summary>
    public void Forgotten(IReadOnlyCollection<long> handles)
    {
        foreach (var handle in handles)
        {
            if (!records.Remove(handle, out var held))
            {
                continue;
            }

            small.Remove(handle);
            spent.Remove(handle);
            livingBytes -= held.LivingBytes;
            foreach (var key in held.Keys)
            {
                if (kept.TryGetValue(key, out var known))
                {
                    known.Copies--;
                    if (known.In == held)
                    {
                        (known.In, known.Awaited) = (null, Same(known.Entry!));
                    }

                    DropRemoval(key);
                }
            }
        }
    }

    /// <summary>
    /// What removes these keys: records to forget, and, for keys that share their record with others, entries to append.
    /// </summary>
    public (IReadOnlyList<long> Handles, IReadOnlyList<KeeperEntry> Removals) Removing(IEnumerable<string> keys)
    {
        List<long> handles = [];
        List<KeeperEntry> removals = [];
        foreach (var key in keys)
        {
            if (!kept.TryGetValue(key, out var known) || known.Entry is not { IsRemoval: false } entry)
            {
                continue;
            }

            if (known is { Copies: 1, In: { Keys.Length: 1 } alone, Awaited: null })
            {
                handles.Add(alone.Handle);
                Lives(alone, -1);
                alone.Detach(); // a new entry of the key may come before the record is forgotten
                kept.Remove(key);
            }
            else
            {
                removals.Add(new(key, entry.Version));
            }
        }

        return (handles, removals);
    }

    /// <summary>
    /// The records that should be written anew, oldest first, with the entries that live in them; empty when all is
    /// well.
    /// </summary>
    /// <param name="all">Whether all records should be, because they are old.</param>
    public (IReadOnlyList<long> Handles, IReadOnlyList<KeeperEntry> Entries) Stale(bool all)
    {
        IEnumerable<Held> stale = [];
        if (all)
        {
            stale = records.Values;
        }
        else if (small.Count > ManySmall)
        {
            stale = small.Values;
        }
        else if (records.Count > 0 && appended - records.First().Value.AppendedAt > FarBehind + (4 * LivingBytes))
        {
            long bytes = 0;
            stale = records.Values.TakeWhile(held => (bytes += held.Bytes) <= AtOnce || bytes == held.Bytes);
        }

        List<Held> chosen = [.. stale];
        var entries = chosen.SelectMany(held => held.Keys.Select(key => (held, key)))
            .Where(one => kept.TryGetValue(one.key, out var known) && known.In == one.held)
            .Select(one => kept[one.key].Entry!);
        return ([.. chosen.Select(held => held.Handle)], [.. entries]);
    }

    static (long Version, bool IsRemoval) Same(KeeperEntry entry) => (entry.Version, entry.IsRemoval);

    static bool Wins(KeeperEntry entry, Kept known) =>
        known.Entry is not { } before
        || entry.Version > before.Version
        || (entry.Version == before.Version && (known.In is null ? entry.IsRemoval || !before.IsRemoval : entry.IsRemoval && !before.IsRemoval));

    void DropRemoval(string key)
    {
        if (!isCaughtUp || !kept.TryGetValue(key, out var known) || known.Awaited is not null)
        {
            return;
        }

        if (known.Copies == 0)
        {
            kept.Remove(key);
        }
        else if (known is { Copies: 1, Entry.IsRemoval: true, In: { } last })
        {
            kept.Remove(key);
            Lives(last, -1);
        }
    }

    void Lives(Held? held, int more)
    {
        if (held is not null && records.ContainsKey(held.Handle))
        {
            livingBytes -= held.LivingBytes;
            held.Living += more;
            livingBytes += held.LivingBytes;
            if (held.Living == 0)
            {
                spent.Add(held.Handle);
                small.Remove(held.Handle);
            }
            else
            {
                spent.Remove(held.Handle);
            }
        }
    }

    /// <summary>What is known of a key.</summary>
    sealed class Kept
    {
        /// <summary>The entry that counts.</summary>
        public KeeperEntry? Entry { get; set; }

        /// <summary>The record that the entry lives in; <see langword="null"/> while it is on its way.</summary>
        public Held? In { get; set; }

        /// <summary>How many records have an entry of the key.</summary>
        public int Copies { get; set; }

        /// <summary>What was written anew and has not come back yet; <see langword="null"/> for nothing.</summary>
        public (long Version, bool IsRemoval)? Awaited { get; set; }
    }

    /// <summary>A record.</summary>
    sealed class Held(long handle, int bytes, long appendedAt, string[] keys)
    {
        public long Handle => handle;

        public int Bytes => bytes;

        /// <summary>How many bytes had been appended when the record came.</summary>
        public long AppendedAt => appendedAt;

        public string[] Keys { get; private set; } = keys;

        /// <summary>How many of its entries count.</summary>
        public int Living { get; set; }

        public double LivingBytes => Keys.Length == 0 ? 0 : (double)bytes * Living / Keys.Length;

        /// <summary>The record has no more entries, and will be forgotten.</summary>
        public void Detach() => Keys = [];
    }
}
