using Jobs.Transport;
using Jobs.Wire;

namespace Jobs.Sqlite;

/// <summary>
/// The table of results, on the writer's thread: one row for each job whose result was asked for, with the last news. A
/// row gets a new number with each news, so that who waits for results reads only what is new.
/// </summary>
sealed class ResultRows(Tables tables)
{
    // How long a row is kept whose job has not ended: longer than jobs wait.
    static readonly long patience = (long)TimeSpan.FromDays(30).TotalMilliseconds;

    readonly Statement expect = tables.Database.Prepare("""
        INSERT INTO jobs_result (id, seq, enqueued, ended, expires) VALUES (?1, ?2, ?3, 0, ?4)
        ON CONFLICT (id) DO UPDATE SET seq = ?2, enqueued = ?3, ended = 0, expires = ?4, news = NULL WHERE ended = 1
        """);

    // Late news do not bring a job back that has ended, and a later end replaces an end: see JobStatus.After.
    readonly Statement tell = tables.Database.Prepare("""
        INSERT INTO jobs_result (id, seq, ended, expires, news) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (id) DO UPDATE SET seq = ?2, ended = ?3, expires = ?4, news = ?5 WHERE ended = 0 OR ?3 = 1
        """);

    readonly Statement forget = tables.Database.Prepare("DELETE FROM jobs_result WHERE id = ?1 AND news IS NULL");
    readonly Statement read = tables.Database.Prepare("SELECT enqueued, news FROM jobs_result WHERE id = ?1 AND expires > ?2");
    readonly Statement after = tables.Database.Prepare("SELECT seq, id FROM jobs_result WHERE seq > ?1 AND ended = 1 ORDER BY seq");
    readonly Statement prune = tables.Database.Prepare(
        "DELETE FROM jobs_result WHERE id IN (SELECT id FROM jobs_result WHERE expires <= ?1 ORDER BY expires LIMIT 200)");

    /// <summary>The job is about to be enqueued. A job with the id of one that has ended is another job.</summary>
    public void Expect(string id, long now) => expect.Bind(1, id).Bind(2, tables.NextSeq()).Bind(3, now).Bind(4, now + patience).Run();

    /// <summary>The job was not enqueued.</summary>
    public void Forget(string id) => forget.Bind(1, id).Run();

    /// <summary>News of a job.</summary>
    /// <param name="message">The news. It has a time to be forgotten when the job has ended.</param>
    /// <param name="now">The time.</param>
    public void Tell(JobMessage message, long now)
    {
        var ends = message.Headers.Expires;
        tell.Bind(1, message.CorrelationId!).Bind(2, tables.NextSeq()).Bind(3, ends is null ? 0 : 1)
            .Bind(4, ends?.ToUnixTimeMilliseconds() ?? now + patience).Bind(5, message.Body.Span).Run();
        tables.ResultsChanged = true;
    }

    public JobStatus? Read(string id, long now)
    {
        if (!read.Bind(1, id).Bind(2, now).Step())
        {
            return null;
        }

        DateTimeOffset? enqueued = read.IsNull(0) ? null : DateTimeOffset.FromUnixTimeMilliseconds(read.Number(0));
        var news = read.IsNull(1) ? null : read.Bytes(1);
        read.Reset();
        return news is null
            ? new() { Id = id, State = JobState.Queued, EnqueuedAt = enqueued }
            : ResultMessage.Read(news) with { EnqueuedAt = enqueued };
    }

    /// <summary>The jobs that have ended since a row had this number.</summary>
    public List<(long Seq, string Id)> After(long seq)
    {
        var found = new List<(long, string)>();
        after.Bind(1, seq);
        while (after.Step())
        {
            found.Add((after.Number(0), after.Text(1)));
        }

        return found;
    }

    /// <summary>Removes rows that have expired.</summary>
    /// <returns>Whether there may be more.</returns>
    public bool Prune(long now)
    {
        prune.Bind(1, now).Run();
        return tables.Database.Changes == 200;
    }
}
