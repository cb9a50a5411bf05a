namespace Jobs.Sqlite;

/// <summary>The tables of the journals, on the writer's thread.</summary>
sealed class JournalRows(Tables tables)
{
    const string NoLeader = "leader NOT IN (SELECT no FROM jobs_session)";

    readonly Statement find = tables.Database.Prepare("SELECT no FROM jobs_journal WHERE name = ?1");
    readonly Statement make = tables.Database.Prepare("INSERT INTO jobs_journal (name) VALUES (?1) RETURNING no");
    readonly Statement lead = tables.Database.Prepare($"UPDATE jobs_journal SET leader = ?2 WHERE no = ?1 AND {NoLeader}");
    readonly Statement leaderless = tables.Database.Prepare($"SELECT 1 FROM jobs_journal WHERE no = ?1 AND {NoLeader}");
    readonly Statement resign = tables.Database.Prepare("UPDATE jobs_journal SET leader = 0 WHERE leader = ?1");
    readonly Statement add = tables.Database.Prepare("INSERT INTO jobs_record (journal, bytes) VALUES (?1, ?2) RETURNING seq");
    readonly Statement after = tables.Database.Prepare("SELECT seq, bytes FROM jobs_record WHERE journal = ?1 AND seq > ?2 ORDER BY seq");
    readonly Statement any = tables.Database.Prepare("SELECT 1 FROM jobs_record WHERE journal = ?1 AND seq > ?2 LIMIT 1");
    readonly Statement remove = tables.Database.Prepare("DELETE FROM jobs_record WHERE journal = ?1 AND (seq <= ?2 OR seq BETWEEN ?3 AND ?4)");

    public long? Find(string name) => find.Bind(1, name).Single();

    public long Journal(string name) => Find(name) ?? make.Bind(1, name).Single()!.Value;

    public bool HasNoLeader(long journal) => leaderless.Bind(1, journal).Single() is not null;

    public bool HasAfter(long journal, long seq) => any.Bind(1, journal).Bind(2, seq).Single() is not null;

    public bool TryLead(long journal, long session)
    {
        lead.Bind(1, journal).Bind(2, session).Run();
        return tables.Database.Changes > 0;
    }

    public void Resign(long session)
    {
        resign.Bind(1, session).Run();
        tables.JournalsChanged |= tables.Database.Changes > 0;
    }

    /// <returns>The number of the record.</returns>
    public long Add(long journal, ReadOnlySpan<byte> bytes)
    {
        tables.JournalsChanged = true;
        return add.Bind(1, journal).Bind(2, bytes).Single()!.Value;
    }

    public List<(long Seq, ReadOnlyMemory<byte> Bytes)> After(long journal, long seq)
    {
        var found = new List<(long, ReadOnlyMemory<byte>)>();
        after.Bind(1, journal).Bind(2, seq);
        while (after.Step())
        {
            found.Add((after.Number(0), after.Bytes(1)));
        }

        return found;
    }

    public void Remove(long journal, long upTo, (long First, long Last) snapshot) =>
        remove.Bind(1, journal).Bind(2, upTo).Bind(3, snapshot.First).Bind(4, snapshot.Last).Run();
}
