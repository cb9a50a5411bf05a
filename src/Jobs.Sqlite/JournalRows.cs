using Jobs.Transport;

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
    readonly Statement remove = tables.Database.Prepare("DELETE FROM jobs_record WHERE seq = ?1");
    readonly Statement ask = tables.Database.Prepare("INSERT INTO jobs_question (journal, asked, question) VALUES (?1, ?2, ?3) RETURNING no");
    readonly Statement expire = tables.Database.Prepare("DELETE FROM jobs_question WHERE asked < ?1");
    readonly Statement questions = tables.Database.Prepare(
        "SELECT no, question FROM jobs_question WHERE journal = ?1 AND no > ?2 AND answer IS NULL ORDER BY no");
    readonly Statement answer = tables.Database.Prepare("UPDATE jobs_question SET answer = ?2 WHERE no = ?1");
    readonly Statement answered = tables.Database.Prepare("SELECT answer FROM jobs_question WHERE no = ?1 AND answer IS NOT NULL");
    readonly Statement hasAnswer = tables.Database.Prepare("SELECT 1 FROM jobs_question WHERE no = ?1 AND answer IS NOT NULL");
    readonly Statement forget = tables.Database.Prepare("DELETE FROM jobs_question WHERE no = ?1");

    // Nobody waits for an answer that long.
    static readonly long kept = (long)TimeSpan.FromMinutes(1).TotalMilliseconds;

    public long? Find(string name) => find.Bind(1, name).Single();

    public long Journal(string name) => Find(name) ?? make.Bind(1, name).Single()!.Value;

    public bool HasNoLeader(long journal) => leaderless.Bind(1, journal).Single() is not null;

    /// <summary>Whether there are records or questions after these.</summary>
    public bool HasAfter(long journal, (long Record, long Question) last) =>
        any.Bind(1, journal).Bind(2, last.Record).Single() is not null || questions.Bind(1, journal).Bind(2, last.Question).Single() is not null;

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

    public List<JournalRecord> After(long journal, long seq)
    {
        var found = new List<JournalRecord>();
        after.Bind(1, journal).Bind(2, seq);
        while (after.Step())
        {
            found.Add(new(after.Number(0), after.Bytes(1)));
        }

        return found;
    }

    public void Remove(long seq) => remove.Bind(1, seq).Run();

    /// <returns>The number of the question.</returns>
    public long Ask(long journal, ReadOnlySpan<byte> bytes, long now)
    {
        tables.JournalsChanged = true;
        expire.Bind(1, now - kept).Run(); // of askers that died or gave up
        return ask.Bind(1, journal).Bind(2, now).Bind(3, bytes).Single()!.Value;
    }

    public List<(long No, ReadOnlyMemory<byte> Bytes)> Questions(long journal, long no)
    {
        var found = new List<(long, ReadOnlyMemory<byte>)>();
        questions.Bind(1, journal).Bind(2, no);
        while (questions.Step())
        {
            found.Add((questions.Number(0), questions.Bytes(1)));
        }

        return found;
    }

    public void Answer(long no, ReadOnlySpan<byte> bytes)
    {
        tables.AnswersChanged = true;
        answer.Bind(1, no).Bind(2, bytes).Run();
    }

    public bool IsAnswered(long no) => hasAnswer.Bind(1, no).Single() is not null;

    /// <returns>The answer, if there is one; then the question is gone.</returns>
    public ReadOnlyMemory<byte>? TakeAnswer(long no)
    {
        var bytes = answered.Bind(1, no).Step() ? (ReadOnlyMemory<byte>?)answered.Bytes(0) : null;
        answered.Reset();
        if (bytes is not null)
        {
            forget.Bind(1, no).Run();
        }

        return bytes;
    }
}
