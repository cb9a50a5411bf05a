namespace Jobs.Beat;

/// <summary>All records merged: up to where each schedule has fired, and what was changed at run time.</summary>
sealed class BeatState
{
    // What is left of a schedule that exists no more: long enough for a deploy to be rolled back, or an old record to arrive.
    static readonly TimeSpan kept = TimeSpan.FromDays(30);

    readonly Lock gate = new();
    readonly Dictionary<string, SlotMark> slots = new(StringComparer.Ordinal);
    readonly Dictionary<string, Edit<ScheduleText>> set = new(StringComparer.Ordinal);
    readonly Dictionary<string, Edit<bool>> paused = new(StringComparer.Ordinal);

    /// <returns>The schedules that it changed.</returns>
    public IReadOnlySet<string> Merge(BeatRecord record)
    {
        var changed = new HashSet<string>(StringComparer.Ordinal);
        lock (gate)
        {
            foreach (var (name, mark) in record.Slots ?? [])
            {
                if (!slots.TryGetValue(name, out var known) || mark.Slot > known.Slot || (mark.Slot == known.Slot && string.CompareOrdinal(mark.Timing, known.Timing) > 0))
                {
                    slots[name] = mark;
                }
            }

            Take(record.Set, set);
            Take(record.Paused, paused);
        }

        return changed;

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

    public SlotMark? Last(string schedule)
    {
        lock (gate)
        {
            return slots.TryGetValue(schedule, out var mark) ? mark : null;
        }
    }

    public bool IsPaused(string schedule)
    {
        lock (gate)
        {
            return paused.TryGetValue(schedule, out var edit) && edit.Value;
        }
    }

    /// <summary>The schedule that was set at run time under this name, if any.</summary>
    public Edit<ScheduleText>? SetAtRunTime(string schedule)
    {
        lock (gate)
        {
            return set.TryGetValue(schedule, out var edit) && edit.Value is not null ? edit : null;
        }
    }

    public IReadOnlyList<string> NamesSetAtRunTime()
    {
        lock (gate)
        {
            return [.. set.Where(entry => entry.Value.Value is not null).Select(entry => entry.Key)];
        }
    }

    /// <summary>One record that says all of it, but for what is left of schedules that are gone for long.</summary>
    public BeatRecord Snapshot(Func<string, bool> exists, DateTimeOffset now)
    {
        lock (gate)
        {
            return new()
            {
                Slots = slots.Where(entry => exists(entry.Key) || now - entry.Value.Slot < kept).ToDictionary(),
                Set = set.Where(entry => exists(entry.Key) || now - EditClock.Time(entry.Value.Version) < kept).ToDictionary(),
                Paused = paused.Where(entry => exists(entry.Key) || now - EditClock.Time(entry.Value.Version) < kept).ToDictionary(),
            };
        }
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
