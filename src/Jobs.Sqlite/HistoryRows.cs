using Jobs.Transport;

namespace Jobs.Sqlite;

/// <summary>The table of the history. Any connection reads it; only the writer's thread changes it.</summary>
sealed class HistoryRows(Tables tables)
{
    const long MostBytesAtOnce = 1 << 20;

    readonly Statement add = tables.Database.Prepare("INSERT INTO jobs_history (time, total, bytes) VALUES (?1, ?2, ?3)");
    readonly Statement newest = tables.Database.Prepare("SELECT position, total FROM jobs_history ORDER BY position DESC LIMIT 1");
    readonly Statement oldest = tables.Database.Prepare("SELECT position, time, total FROM jobs_history ORDER BY position LIMIT ?1");
    readonly Statement remove = tables.Database.Prepare("DELETE FROM jobs_history WHERE position <= ?1");
    readonly Statement given = tables.Database.Prepare("SELECT seq FROM sqlite_sequence WHERE name = 'jobs_history'");
    readonly Statement since = tables.Database.Prepare("SELECT position, time, bytes FROM jobs_history WHERE position >= ?1 ORDER BY position LIMIT ?2");
    readonly Statement timeOf = tables.Database.Prepare("SELECT time FROM jobs_history WHERE position >= ?1 ORDER BY position LIMIT 1");

    /// <summary>Adds entries.</summary>
    public void Add(IReadOnlyList<ReadOnlyMemory<byte>> entries, long now)
    {
        var total = Total();
        foreach (var entry in entries)
        {
            total += entry.Length;
            add.Bind(1, now).Bind(2, total).Bind(3, entry.Span).Run();
        }

        tables.HistoryChanged = true;
    }

    /// <summary>Removes entries that are too old, or too many.</summary>
    /// <param name="before">The time before which they are too old.</param>
    /// <param name="mostBytes">How many bytes may stay.</param>
    /// <param name="limit">How many entries are removed at most: more at once would hold up jobs.</param>
    /// <returns>Whether there may be more.</returns>
    public bool Prune(long before, long mostBytes, int limit)
    {
        var (total, upTo, count) = (Total(), 0L, 0);
        oldest.Bind(1, limit);
        while (oldest.Step())
        {
            if (oldest.Number(1) >= before && total - oldest.Number(2) < mostBytes)
            {
                oldest.Reset();
                break;
            }

            (upTo, count) = (oldest.Number(0), count + 1);
        }

        if (count > 0)
        {
            remove.Bind(1, upTo).Run();
        }

        return count == limit;
    }

    public LogExtent Extent()
    {
        var next = (given.Single() ?? 0) + 1;
        return new(oldest.Bind(1, 1).Single() ?? next, next);
    }

    /// <summary>Entries from a position on, oldest first.</summary>
    public List<LogEntry> From(long position, int limit)
    {
        var (found, bytes) = (new List<LogEntry>(), 0L);
        since.Bind(1, position).Bind(2, limit);
        while (since.Step())
        {
            var entry = since.Bytes(2);
            found.Add(new(since.Number(0), DateTimeOffset.FromUnixTimeMilliseconds(since.Number(1)), entry));
            bytes += entry.Length;
            if (bytes > MostBytesAtOnce)
            {
                since.Reset();
                break;
            }
        }

        return found;
    }

    /// <summary>
    /// The position of the first entry since a time, by halving: positions follow the clock, so the table needs no
    /// index of times. A clock that was set back makes this a little wrong.
    /// </summary>
    public long PositionAt(long time)
    {
        var (low, high) = Extent();
        while (low < high)
        {
            var middle = low + (high - low) / 2;
            (low, high) = timeOf.Bind(1, middle).Single() < time ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    long Total()
    {
        if (!newest.Step())
        {
            return 0;
        }

        var total = newest.Number(1);
        newest.Reset();
        return total;
    }
}
