namespace Jobs.Beat;

/// <summary>All records merged: up to where each schedule has fired, and what was changed at run time.</summary>
sealed class BeatState
{
    // What is left of a schedule that exists no more: long enough for a deploy to be rolled back, or an old record to arrive.
    static readonly TimeSpan kept = TimeSpan.FromDays(30);

    readonly Lock gate = new();
    readonly Dictionary<string, OccurrenceMark> occurrences = new(StringComparer.Ordinal);
    readonly Dictionary<string, Edit<StoredSchedule>> set = new(StringComparer.Ordinal);
    readonly Dictionary<string, Edit<bool>> paused = new(StringComparer.Ordinal);

    /// <returns>The schedules that it changed.</returns>
    public IReadOnlySet<string> Merge(BeatRecord record)
    {
        var changed = new HashSet<string>(StringComparer.Ordinal);
        lock (gate)
        {
            foreach (var (name, mark) in record.Occurrences ?? [])
            {
                Advance(name, mark);
            }

            foreach (var (name, edit) in record.Set ?? [])
            {
                if (edit.Value is null)
                {
                    // What is set again owes nothing of the time between, though no beat was there to see it. One tick more, or an occurrence of that instant would go before it.
                    Advance(name, new(EditClock.Time(edit.Version + 1), "", occurrences.GetValueOrDefault(name).SetBack));
                }
            }

            Take(record.Set, set);
            Take(record.Paused, paused);
        }

        return changed;

        void Advance(string name, OccurrenceMark mark)
        {
            if (!occurrences.TryGetValue(name, out var known) || mark.Replaces(known))
            {
                occurrences[name] = mark;
            }
        }

        void Take<T>(Dictionary<string, Edit<T>>? edits, Dictionary<string, Edit<T>> known)
        {
            foreach (var (name, edit) in edits ?? [])
            {
                if (!known.TryGetValue(name, out var before) || edit.Version > before.Version)
                {
                    known[name] = edit;
                    changed.Add(name);
                }
            }
        }
    }

    public OccurrenceMark? Last(string schedule)
    {
        lock (gate)
        {
            return occurrences.TryGetValue(schedule, out var mark) ? mark : null;
        }
    }

    public bool IsPaused(string schedule)
    {
        lock (gate)
        {
            return paused.TryGetValue(schedule, out var edit) && edit.Value;
        }
    }

    /// <summary>What was set at run time under this name, if anything was; a removal is one without a value.</summary>
    public Edit<StoredSchedule>? SetAtRunTime(string schedule)
    {
        lock (gate)
        {
            return set.TryGetValue(schedule, out var edit) ? edit : null;
        }
    }

    public IReadOnlyList<string> NamesSetAtRunTime()
    {
        lock (gate)
        {
            return [.. set.Where(entry => entry.Value.Value is not null).Select(entry => entry.Key)];
        }
    }

    /// <summary>Records that say all of it, each well below what a broker takes. What is left of schedules that are gone for long is forgotten, here too.</summary>
    public IReadOnlyList<BeatRecord> Snapshot(Func<string, bool> exists, DateTimeOffset now)
    {
        const int NamesInOne = 500;
        lock (gate)
        {
            Forget(occurrences, mark => mark.Occurrence);
            Forget(set, edit => EditClock.Time(edit.Version));
            Forget(paused, edit => EditClock.Time(edit.Version));
            var names = occurrences.Keys.Union(set.Keys).Union(paused.Keys, StringComparer.Ordinal).ToList();
            return [.. names.Chunk(NamesInOne).Select(part => new BeatRecord { Occurrences = Of(part, occurrences), Set = Of(part, set), Paused = Of(part, paused) })];
        }

        void Forget<T>(Dictionary<string, T> all, Func<T, DateTimeOffset> time)
        {
            foreach (var (name, value) in all)
            {
                if (!exists(name) && now - time(value) > kept)
                {
                    all.Remove(name);
                }
            }
        }

        static Dictionary<string, T>? Of<T>(string[] names, Dictionary<string, T> all) =>
            names.Where(all.ContainsKey).ToDictionary(name => name, name => all[name], StringComparer.Ordinal) is { Count: > 0 } some ? some : null;
    }
}

/// <summary>Versions of edits: the time in ticks, and always more than the one before. So the last edit wins, whoever makes it, as far as clocks agree.</summary>
sealed class EditClock(TimeProvider time)
{
    long last;

    public long Next()
    {
        while (true)
        {
            var before = Volatile.Read(ref last);
            var next = Math.Max(before + 1, time.GetUtcNow().UtcTicks);
            if (Interlocked.CompareExchange(ref last, next, before) == before)
            {
                return next;
            }
        }
    }

    public static DateTimeOffset Time(long version) => new(Math.Clamp(version, 0, DateTimeOffset.MaxValue.UtcTicks), TimeSpan.Zero);
}
