using Jobs.Transport;
using Jobs.Wire;
using SQLitePCL;

namespace Jobs.Sqlite;

/// <summary>Looks into the file, over a connection of its own that only reads.</summary>
/// <param name="open">The file.</param>
/// <param name="transport">Whose file it is.</param>
/// <param name="deadLetters">
/// The dead-letter queue. Nobody counts its letters here: there may be many, and the keeper has counted them.
/// </param>
sealed class SqliteInspection(Func<Engine> open, SqliteTransport transport, string deadLetters) : TransportInspection
{
    public override InspectionCapabilities Capabilities =>
        InspectionCapabilities.Held | InspectionCapabilities.DelayedByQueue | InspectionCapabilities.DelayedJobs | InspectionCapabilities.OldestAge
        | InspectionCapabilities.AllQueues;

    public override async Task<QueuePage> QueuesAsync(IReadOnlyCollection<string> known, CancellationToken cancellationToken)
    {
        var engine = open();
        var found = await ReadAsync(engine, tables => tables.Inspection.Queues(engine.Now, deadLetters), cancellationToken).ConfigureAwait(false);
        foreach (var (name, suspects) in found.Where(queue => queue.Key.StartsWith(Engine.QuarantinePrefix, StringComparison.Ordinal)).ToList())
        {
            found.Remove(name);
            var main = name[Engine.QuarantinePrefix.Length..];
            found[main] = Together(found.GetValueOrDefault(main) ?? Empty(main), suspects);
        }

        return new() { Queues = [.. found.Values, .. known.Where(name => !found.ContainsKey(name)).Select(Empty)] };
    }

    public override Task<DelayedPage> DelayedAsync(int limit, string? after, CancellationToken cancellationToken)
    {
        var (due, seq) = DelayedCursor.Of(after);
        return ReadAsync(open(), tables => tables.Inspection.Delayed(due, seq, limit), cancellationToken);
    }

    public override async Task<TransportInfo> LookAsync(CancellationToken cancellationToken)
    {
        var health = await transport.CheckHealthAsync(cancellationToken).ConfigureAwait(false);
        return new()
        {
            Kind = transport.MessagingSystem,
            IsUp = health.Connection.IsUp,
            Problem = health.Connection.Problem ?? health.Warning,
            Version = raw.sqlite3_libversion().utf8_to_string(),
            FileBytes = health.Connection.IsUp ? open().File.Bytes : null,
            LogBytes = health.Facts.GetValueOrDefault(DatabaseFile.LogFact) as long?,
            DiskFree = health.Facts.GetValueOrDefault(DatabaseFile.FreeFact) as long?,
        };
    }

    static QueueInfo Empty(string name) => new() { Name = name, Waiting = 0, Held = 0, Delayed = 0 };

    // A suspect waits in the quarantine of its queue.
    static QueueInfo Together(QueueInfo queue, QueueInfo suspects) => queue with
    {
        Waiting = queue.Waiting + suspects.Waiting,
        Held = queue.Held + suspects.Held,
        Delayed = queue.Delayed + suspects.Delayed,
        OldestAge = queue.OldestAge > suspects.OldestAge ? queue.OldestAge : suspects.OldestAge ?? queue.OldestAge,
    };

    // On the pool, because SQLite reads without a wait.
    static async Task<T> ReadAsync<T>(Engine engine, Func<Tables, T> read, CancellationToken cancellationToken)
        where T : class
    {
        var looking = Task.Run(() => engine.InspectionReader.TryRead(read, out var found) ? found : null, CancellationToken.None);
        return await looking.WaitAsync(cancellationToken).ConfigureAwait(false)
            ?? throw new JobTransportException($"{engine.File.Path} cannot be read now.", isTransient: true);
    }
}

/// <summary>What waits, is held and is delayed. Only connections that read use it.</summary>
sealed class InspectionRows(Tables tables)
{
    readonly Statement names = tables.Database.Prepare("SELECT no, name FROM jobs_queue");
    readonly Statement ready = tables.Database.Prepare("SELECT count(*), min(seq) FROM jobs_ready WHERE queue = ?1");
    readonly Statement claimed = tables.Database.Prepare("SELECT queue, count(*) FROM jobs_claimed GROUP BY queue");
    readonly Statement delayed = tables.Database.Prepare("SELECT queue, count(*) FROM jobs_delayed GROUP BY queue");
    readonly Statement head = tables.Database.Prepare("SELECT head FROM jobs_message WHERE seq = ?1");
    readonly Statement countDelayed = tables.Database.Prepare("SELECT count(*) FROM jobs_delayed");
    readonly Statement page = tables.Database.Prepare("""
        SELECT delayed.due, delayed.seq, name, head FROM jobs_delayed AS delayed
        JOIN jobs_queue ON no = delayed.queue JOIN jobs_message AS message ON message.seq = delayed.seq
        WHERE (delayed.due, delayed.seq) > (?1, ?2) ORDER BY delayed.due, delayed.seq LIMIT ?3
        """);

    public Dictionary<string, QueueInfo> Queues(long now, string except)
    {
        var found = new Dictionary<long, QueueInfo>();
        while (names.Step())
        {
            if (names.Text(1) is var name && name != except)
            {
                found[names.Number(0)] = new() { Name = name, Waiting = 0, Held = 0, Delayed = 0 };
            }
        }

        var oldest = new List<(long Queue, long Seq)>();
        foreach (var queue in found.Keys.ToList())
        {
            ready.Bind(1, queue);
            while (ready.Step()) // to the end, which resets it
            {
                found[queue] = found[queue] with { Waiting = ready.Number(0) };
                if (ready.Number(0) > 0)
                {
                    oldest.Add((queue, ready.Number(1)));
                }
            }
        }

        Count(claimed, (queue, count) => found[queue] = found[queue] with { Held = count });
        Count(delayed, (queue, count) => found[queue] = found[queue] with { Delayed = count });
        foreach (var (queue, seq) in oldest)
        {
            if (Message(seq) is { } message && MessageFacts.Since(message) is { } since)
            {
                found[queue] = found[queue] with { OldestAge = DateTimeOffset.FromUnixTimeMilliseconds(now) - since };
            }
        }

        return found.Values.ToDictionary(queue => queue.Name, StringComparer.Ordinal);

        // A queue that somebody has made since the names were read is left out.
        void Count(Statement counting, Action<long, long> each)
        {
            while (counting.Step())
            {
                if (found.ContainsKey(counting.Number(0)))
                {
                    each(counting.Number(0), counting.Number(1));
                }
            }
        }
    }

    public DelayedPage Delayed(long due, long seq, int limit)
    {
        var (jobs, next) = (new List<DelayedJobInfo>(), (string?)null);
        page.Bind(1, due).Bind(2, seq).Bind(3, limit + 1L);
        while (page.Step())
        {
            if (jobs.Count == limit)
            {
                next = new DelayedCursor(due, seq).ToString();
                continue;
            }

            (due, seq) = (page.Number(0), page.Number(1));
            jobs.Add(Read(page.Bytes(3)) is { } message
                ? MessageFacts.Delayed(message, page.Text(2), DateTimeOffset.FromUnixTimeMilliseconds(due))
                : new() { Queue = page.Text(2), DueAt = DateTimeOffset.FromUnixTimeMilliseconds(due) });
        }

        return new() { Jobs = jobs, Total = countDelayed.Single() ?? 0, Next = next };
    }

    JobMessage? Message(long seq)
    {
        JobMessage? message = null;
        head.Bind(1, seq);
        while (head.Step())
        {
            message = Read(head.Bytes(0));
        }

        return message;
    }

    // Null for a message of a newer version.
    static JobMessage? Read(byte[] head)
    {
        try
        {
            return StoredMessage.Read(head, default);
        }
        catch (JobFormatException)
        {
            return null;
        }
    }
}
