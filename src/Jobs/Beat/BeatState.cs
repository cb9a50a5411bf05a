namespace Jobs.Beat;

/// <summary>
/// All records merged into one state: up to where each schedule has fired, and what was changed at run time.
/// </summary>
sealed class BeatState
{
    // How long the records of a schedule that is gone are kept: long enough for the rollback of a deploy, or for an old
    // record to arrive.
    static readonly TimeSpan kept = TimeSpan.FromDays(30);

    // How long the note is kept that a run is done, in case its request arrives once more. A request that is older than
    // the note runs no more: see RequestedRun.LongestWait.
    static readonly TimeSpan runsKept = 2 * RequestedRun.LongestWait;

    readonly Lock gate = new();
    readonly Dictionary<string, OccurrenceMark> occurrences = new(StringComparer.Ordinal);
    readonly Dictionary<string, Edit<StoredSchedule>> set = new(StringComparer.Ordinal);
    readonly Dictionary<string, Edit<bool>> paused = new(StringComparer.Ordinal);
    readonly HashSet<RunRequest> runs = [];
    readonly HashSet<RunRequest> runsDone = [];
    readonly Dictionary<string, StoredSchedule> ofProgram = new(StringComparer.Ordinal);

    /// <returns>The schedules that the record has changed.</returns>
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
                    // A schedule that is set again after a removal owes no occurrence of the time between, even if no
                    // beat ran then. The mark is one tick later, because an occurrence at the instant of the removal
                    // must not replace it.
                    Advance(name, new(EditClock.Time(edit.Version + 1), "", occurrences.GetValueOrDefault(name).SetBack));
                }
            }

            Take(record.Set, set);
            Take(record.Paused, paused);
            foreach (var run in record.Runs ?? [])
            {
                Note(run with { IsDone = false }, run.IsDone);
            }

            foreach (var (name, schedule) in record.OfProgram ?? [])
            {
                ofProgram[name] = schedule;
            }
        }

        return changed;

        void Advance(string name, OccurrenceMark mark)
        {
            if (!occurrences.TryGetValue(name, out var known) || mark.Replaces(known))
            {
                occurrences[name] = mark;
            }
        }

        void Note(RunRequest run, bool isDone)
        {
            if (isDone)
            {
                runs.Remove(run);
                runsDone.Add(run);
            }
            else if (run.Schedule is not null && !runsDone.Contains(run))
            {
                runs.Add(run);
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

    /// <summary>
    /// The last edit of this schedule at run time; <see langword="null"/> if there was none. The edit of a removal has
    /// no value.
    /// </summary>
    public Edit<StoredSchedule>? SetAtRunTime(string schedule)
    {
        lock (gate)
        {
            return set.TryGetValue(schedule, out var edit) ? edit : null;
        }
    }

    /// <summary>
    /// A schedule of the leader's code or configuration; <see langword="null"/> when the leader has none of this name,
    /// or is of an older version, or when there is no leader.
    /// </summary>
    public StoredSchedule? OfProgram(string schedule)
    {
        lock (gate)
        {
            return ofProgram.GetValueOrDefault(schedule);
        }
    }

    /// <summary>The requests to run a job now that are not dealt with.</summary>
    public IReadOnlyList<RunRequest> RunsWaiting()
    {
        lock (gate)
        {
            return runs.Count == 0 ? [] : [.. runs];
        }
    }

    /// <summary>Schedules that a beat has begun with; not those that are gone since.</summary>
    public IReadOnlyList<string> NamesBegun()
    {
        lock (gate)
        {
            return [.. occurrences.Where(entry => entry.Value.TimingKey.Length > 0).Select(entry => entry.Key)];
        }
    }

    public IReadOnlyList<string> NamesOfProgram()
    {
        lock (gate)
        {
            return [.. ofProgram.Keys];
        }
    }

    public IReadOnlyList<string> NamesSetAtRunTime()
    {
        lock (gate)
        {
            return [.. set.Where(entry => entry.Value.Value is not null).Select(entry => entry.Key)];
        }
    }

    /// <summary>
    /// Makes records that hold the whole state, each well below the size that a broker takes. This also forgets
    /// schedules that have been gone for long.
    /// </summary>
    public IReadOnlyList<BeatRecord> Snapshot(Func<string, bool> exists, DateTimeOffset now)
    {
        const int NamesInOne = 500, RunsInOne = 1_000;
        lock (gate)
        {
            Forget(occurrences, mark => mark.Occurrence);
            Forget(set, edit => EditClock.Time(edit.Version));
            Forget(paused, edit => EditClock.Time(edit.Version));
            runsDone.RemoveWhere(run => now - EditClock.Time(run.Version) > runsKept);
            var names = occurrences.Keys.Union(set.Keys).Union(paused.Keys, StringComparer.Ordinal).ToList();
            return
            [
                .. names.Chunk(NamesInOne)
                    .Select(part => new BeatRecord { Occurrences = Of(part, occurrences), Set = Of(part, set), Paused = Of(part, paused) }),
                .. runs.Concat(runsDone.Select(run => run with { IsDone = true })).Chunk(RunsInOne).Select(part => new BeatRecord { Runs = [.. part] }),
            ];
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

/// <summary>
/// Makes the versions of edits: the time in ticks, and always more than the version before. So the last edit wins,
/// whoever makes it, as far as clocks agree.
/// </summary>
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
