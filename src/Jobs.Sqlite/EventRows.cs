using Jobs.Transport;

namespace Jobs.Sqlite;

/// <summary>The tables of events and of those who listen to them, on the writer's thread.</summary>
/// <remarks>
/// The table of events is no history: a row is there for the moment until all listeners have read it. Old rows go in
/// small batches, with each new one.
/// </remarks>
sealed class EventRows(Tables tables)
{
    const int MostRows = 512;
    const int MostAtOnce = 64;

    const long OldAfter = 10_000; // milliseconds

    readonly Statement add = tables.Database.Prepare(
        "INSERT INTO jobs_event (at, events, topic, sender, body) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING seq");
    readonly Statement after = tables.Database.Prepare(
        "SELECT seq, topic, events, sender, body FROM jobs_event WHERE seq > ?1 ORDER BY seq LIMIT 64");
    readonly Statement last = tables.Database.Prepare("SELECT coalesce(max(seq), 0) FROM jobs_event");
    readonly Statement prune = tables.Database.Prepare(
        $"DELETE FROM jobs_event WHERE seq IN (SELECT seq FROM (SELECT seq, at FROM jobs_event ORDER BY seq LIMIT {MostAtOnce}) WHERE at < ?1 OR seq <= ?2)");
    readonly Statement listen = tables.Database.Prepare("INSERT INTO jobs_listener (session, pattern) VALUES (?1, ?2)");
    readonly Statement forget = tables.Database.Prepare("DELETE FROM jobs_listener WHERE session = ?1");
    readonly Statement patterns = tables.Database.Prepare("SELECT DISTINCT pattern FROM jobs_listener");
    readonly Dictionary<string, TopicPattern> known = new(StringComparer.Ordinal);

    /// <summary>Adds an event, if somebody listens to its topic.</summary>
    public void Add(BroadcastMessage message, long now)
    {
        if (IsHeard(message.Topic))
        {
            var seq = add.Bind(1, now).Bind(2, message.Events).Bind(3, message.Topic).Bind(4, message.Sender).Bind(5, message.Body.Span).Single()!.Value;
            tables.EventsChanged = true;
            Prune(now, seq);
        }
    }

    public bool IsHeard(string topic)
    {
        var isHeard = false;
        while (patterns.Step())
        {
            isHeard |= Pattern(patterns.Text(0)).Matches(topic);
        }

        return isHeard;
    }

    /// <summary>A session listens from now on.</summary>
    /// <returns>The number of the last event that it does not hear.</returns>
    public long Listen(long session, string pattern)
    {
        listen.Bind(1, session).Bind(2, pattern).Run();
        return last.Single()!.Value;
    }

    /// <summary>A session is over.</summary>
    public void Forget(long session) => forget.Bind(1, session).Run();

    /// <summary>The next events after a number, at most 64.</summary>
    public List<(long Seq, BroadcastMessage Message)> After(long seq)
    {
        var found = new List<(long, BroadcastMessage)>();
        after.Bind(1, seq);
        while (after.Step())
        {
            found.Add((after.Number(0), new() { Topic = after.Text(1), Events = (int)after.Number(2), Sender = after.Text(3), Body = after.Bytes(4) }));
        }

        return found;
    }

    /// <summary>Removes old events.</summary>
    /// <returns>Whether there may be more.</returns>
    public bool Prune(long now) => Prune(now, last.Single()!.Value);

    bool Prune(long now, long newest)
    {
        prune.Bind(1, now - OldAfter).Bind(2, newest - MostRows).Run();
        return tables.Database.Changes == MostAtOnce;
    }

    // Patterns are texts of programs, and there are few. Somebody who makes up many of them must not fill the memory.
    TopicPattern Pattern(string text)
    {
        const int Many = 100;
        if (!known.TryGetValue(text, out var pattern))
        {
            if (known.Count >= Many)
            {
                known.Clear();
            }

            known[text] = pattern = new(text);
        }

        return pattern;
    }
}
