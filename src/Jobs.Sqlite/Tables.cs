using Jobs.Transport;

namespace Jobs.Sqlite;

/// <summary>A message that a session has claimed.</summary>
readonly record struct ClaimedRow(long Seq, long Urgency, int Deliveries, byte[] Head, byte[] Body);

/// <summary>
/// What one transaction does to the tables, through statements that are kept. Only the writer's thread uses it, and
/// inside a transaction where a method changes something.
/// </summary>
sealed class Tables(Database database)
{
    readonly Dictionary<string, long> queues = new(StringComparer.Ordinal);
    readonly HashSet<long> filled = []; // queues that got a message in this transaction
    readonly List<(long Seq, long Urgency, int Deliveries)> found = [];
    readonly List<(long Due, long Seq, long Queue, long Urgency)> dueRows = [];
    readonly Statement readLast = database.Prepare("SELECT last FROM jobs_meta");
    readonly Statement writeLast = database.Prepare("UPDATE jobs_meta SET last = ?1");
    readonly Statement findQueue = database.Prepare("SELECT no FROM jobs_queue WHERE name = ?1");
    readonly Statement addQueue = database.Prepare("INSERT INTO jobs_queue (name) VALUES (?1) RETURNING no");
    readonly Statement addMessage = database.Prepare("INSERT INTO jobs_message VALUES (?1, ?2, ?3)");
    readonly Statement addReady = database.Prepare("INSERT INTO jobs_ready VALUES (?1, ?2, ?3, ?4)");
    readonly Statement addDelayed = database.Prepare("INSERT INTO jobs_delayed VALUES (?1, ?2, ?3, ?4)");
    readonly Statement firstDue = database.Prepare("SELECT min(due) FROM jobs_delayed");
    readonly Statement findDue = database.Prepare("SELECT due, seq, queue, urgency FROM jobs_delayed WHERE due <= ?1 ORDER BY due, seq LIMIT 256");
    readonly Statement removeDelayed = database.Prepare("DELETE FROM jobs_delayed WHERE due = ?1 AND seq = ?2");
    readonly Statement renumber = database.Prepare("UPDATE jobs_message SET seq = ?2 WHERE seq = ?1");
    readonly Statement hasReady = database.Prepare("SELECT 1 FROM jobs_ready WHERE queue = ?1 LIMIT 1");
    readonly Statement countReady = database.Prepare("SELECT count(*) FROM jobs_ready WHERE queue = ?1");
    readonly Statement findReady = database.Prepare("SELECT seq, urgency, deliveries FROM jobs_ready WHERE queue = ?1 ORDER BY urgency, seq LIMIT ?2");
    readonly Statement removeReady = database.Prepare("DELETE FROM jobs_ready WHERE queue = ?1 AND urgency = ?2 AND seq = ?3");
    readonly Statement readMessage = database.Prepare("SELECT head, body FROM jobs_message WHERE seq = ?1");
    readonly Statement removeMessage = database.Prepare("DELETE FROM jobs_message WHERE seq = ?1");
    readonly Statement addClaim = database.Prepare("INSERT INTO jobs_claimed VALUES (?1, ?2, ?3, ?4, ?5)");
    readonly Statement removeClaim = database.Prepare("DELETE FROM jobs_claimed WHERE session = ?1 AND seq = ?2");
    readonly Statement anyClaim = database.Prepare("SELECT 1 FROM jobs_claimed WHERE queue = ?1 LIMIT 1");
    readonly Statement findClaims = database.Prepare("SELECT seq, queue, urgency, deliveries FROM jobs_claimed WHERE session = ?1");
    readonly Statement addPending = database.Prepare("INSERT INTO jobs_pending VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING");
    readonly Statement removePending = database.Prepare("DELETE FROM jobs_pending WHERE seq = ?1");
    readonly Statement renumberPending = database.Prepare("UPDATE jobs_pending SET seq = ?2 WHERE seq = ?1");
    long last = -1;
    bool lastChanged;
    bool addedDelay;
    JournalRows? journals;
    SessionRows? sessions;
    ResultRows? results;
    EventRows? events;
    HistoryRows? history;
    InspectionRows? inspection;

    /// <summary>The database, for the statements of the journals and sessions.</summary>
    public Database Database => database;

    /// <summary>
    /// Whether another process may want to hear of the transaction: messages were added to queues and left there, or a
    /// journal changed.
    /// </summary>
    public bool ConcernsOthers =>
        filled.Count > 0 || addedDelay || JournalsChanged || AnswersChanged || ResultsChanged || EventsChanged || HistoryChanged || ConcernsAll;

    /// <summary>Whether another connection has committed something that nobody was told of.</summary>
    public bool ConcernsAll { get; set; }

    /// <summary>Whether a journal has new records, a question or no leader.</summary>
    public bool JournalsChanged { get; set; }

    /// <summary>Whether a question to the reader of a journal was answered.</summary>
    public bool AnswersChanged { get; set; }

    /// <summary>Whether there are news of jobs.</summary>
    public bool ResultsChanged { get; set; }

    /// <summary>Whether there are events that somebody listens to.</summary>
    public bool EventsChanged { get; set; }

    /// <summary>Whether the history has new entries.</summary>
    public bool HistoryChanged { get; set; }

    /// <summary>Whether a queue got a message in this transaction.</summary>
    public bool WasFilled(long queue) => filled.Contains(queue);

    /// <summary>The tables of the journals.</summary>
    public JournalRows Journals => journals ??= new(this);

    /// <summary>The table of the sessions.</summary>
    public SessionRows Sessions => sessions ??= new(this);

    /// <summary>The table of the results.</summary>
    public ResultRows Results => results ??= new(this);

    /// <summary>The tables of events and listeners.</summary>
    public EventRows Events => events ??= new(this);

    /// <summary>The table of the history.</summary>
    public HistoryRows History => history ??= new(this);

    /// <summary>All tables of messages, to look at.</summary>
    public InspectionRows Inspection => inspection ??= new(this);

    /// <summary>A transaction begins: what this object knows from the last one may be out of date.</summary>
    public void Begin()
    {
        (last, lastChanged) = (-1, false);
        filled.Clear();
        (addedDelay, JournalsChanged, AnswersChanged) = (false, false, false);
        (ResultsChanged, EventsChanged, HistoryChanged, ConcernsAll) = (false, false, false, false);
    }

    /// <summary>Writes what the transaction has kept in memory so far.</summary>
    public void Finish()
    {
        if (lastChanged)
        {
            writeLast.Bind(1, last).Run();
        }
    }

    /// <summary>The transaction was undone, and queues that it added with it.</summary>
    public void Undone() => queues.Clear();

    /// <returns>The number of a queue, or <see langword="null"/> when there is none and none is to be made.</returns>
    public long? Queue(string name, bool create)
    {
        if (queues.TryGetValue(name, out var known))
        {
            return known;
        }

        var no = findQueue.Bind(1, name).Single() ?? (create ? addQueue.Bind(1, name).Single() : null);
        if (no is { } there)
        {
            queues[name] = there;
        }

        return no;
    }

    /// <param name="outgoing">The message's queue and priority, and whether it is a reply.</param>
    /// <param name="now">The time in milliseconds, from which the delay counts.</param>
    /// <param name="head">See <see cref="StoredMessage"/>.</param>
    public void Publish(in Outgoing outgoing, long now, ReadOnlySpan<byte> head)
    {
        if (outgoing is { Kind: OutgoingKind.Reply, Queue: ResultStore.ById })
        {
            Results.Tell(outgoing.Message, now);
            return;
        }

        if (outgoing.Kind == OutgoingKind.Record)
        {
            Journals.Add(Journals.Journal(outgoing.Queue), outgoing.Message.Body.Span);
            return;
        }

        if (Queue(outgoing.Queue, create: outgoing.Kind == OutgoingKind.Work) is not { } queue)
        {
            return; // nobody waits for the reply
        }

        if (outgoing.PendingId is { } id && !TryAddPending(id))
        {
            return;
        }

        var seq = NextSeq();
        addMessage.Bind(1, seq).Bind(2, head).Bind(3, outgoing.Message.Body.Span).Run();
        long urgency = -(outgoing.Message.Priority ?? 0);
        if (outgoing.Delay <= TimeSpan.Zero)
        {
            AddReady(queue, urgency, seq, 0);
        }
        else
        {
            var due = now + (long)Math.Ceiling(outgoing.Delay.TotalMilliseconds);
            addDelayed.Bind(1, due).Bind(2, seq).Bind(3, queue).Bind(4, urgency).Run();
            addedDelay = true;
        }
    }

    /// <summary>When the next delayed message is due; <see cref="long.MaxValue"/> when there is none.</summary>
    public long FirstDue() => firstDue.Single() ?? long.MaxValue;

    /// <summary>
    /// Moves delayed messages whose time has come to the end of their queues. They get new numbers, because a queue is
    /// ordered by number.
    /// </summary>
    /// <returns>Whether there may be more.</returns>
    public bool MoveDue(long now)
    {
        dueRows.Clear();
        findDue.Bind(1, now);
        while (findDue.Step())
        {
            dueRows.Add((findDue.Number(0), findDue.Number(1), findDue.Number(2), findDue.Number(3)));
        }

        foreach (var (due, seq, queue, urgency) in dueRows)
        {
            removeDelayed.Bind(1, due).Bind(2, seq).Run();
            var newSeq = NextSeq();
            renumber.Bind(1, seq).Bind(2, newSeq).Run();
            renumberPending.Bind(1, seq).Bind(2, newSeq).Run();
            AddReady(queue, urgency, newSeq, 0);
        }

        return dueRows.Count == 256;
    }

    public bool HasReady(long queue) => hasReady.Bind(1, queue).Single() is not null;

    public long Count(long queue) => countReady.Bind(1, queue).Single() ?? 0;

    /// <summary>Whether some session has a message of this queue.</summary>
    public bool IsClaimed(long queue) => anyClaim.Bind(1, queue).Single() is not null;

    /// <summary>
    /// Claims messages for a session, the most urgent first. A message that was delivered too often moves to the
    /// quarantine instead.
    /// </summary>
    /// <returns>Whether the queue may have more.</returns>
    public bool Claim(long session, long queue, int limit, long? quarantine, int suspectAfter, List<ClaimedRow> rows)
    {
        found.Clear();
        findReady.Bind(1, queue).Bind(2, limit);
        while (findReady.Step())
        {
            found.Add((findReady.Number(0), findReady.Number(1), (int)findReady.Number(2)));
        }

        foreach (var (seq, urgency, deliveries) in found)
        {
            removeReady.Bind(1, queue).Bind(2, urgency).Bind(3, seq).Run();
            if (quarantine is { } aside && deliveries >= suspectAfter)
            {
                AddReady(aside, urgency, seq, 0);
                continue;
            }

            addClaim.Bind(1, session).Bind(2, seq).Bind(3, queue).Bind(4, urgency).Bind(5, deliveries).Run();
            readMessage.Bind(1, seq).Step();
            rows.Add(new(seq, urgency, deliveries, readMessage.Bytes(0), readMessage.Bytes(1)));
            readMessage.Reset();
        }

        if (found.Count < limit)
        {
            filled.Remove(queue); // nothing is left for another process
        }

        return found.Count == limit;
    }

    /// <summary>Removes a claimed message.</summary>
    /// <returns>Whether the session still had it.</returns>
    public bool Leave(long session, long seq)
    {
        removeClaim.Bind(1, session).Bind(2, seq).Run();
        if (database.Changes == 0)
        {
            return false;
        }

        removeMessage.Bind(1, seq).Run();
        return true;
    }

    /// <summary>
    /// The message that has kept an id pending has left. The number of the message says which id: the message's head,
    /// which has the id too, may be damaged.
    /// </summary>
    public void RemovePending(long seq) => removePending.Bind(1, seq).Run();

    /// <summary>Returns a claimed message to its place in the queue.</summary>
    public void Release(long session, long seq, long queue, long urgency, int deliveries)
    {
        removeClaim.Bind(1, session).Bind(2, seq).Run();
        if (database.Changes > 0)
        {
            AddReady(queue, urgency, seq, deliveries);
        }
    }

    /// <summary>Returns everything that a session has claimed.</summary>
    /// <returns>How many messages.</returns>
    public int ReleaseAll(long session)
    {
        var claims = new List<(long Seq, long Queue, long Urgency, int Deliveries)>();
        findClaims.Bind(1, session);
        while (findClaims.Step())
        {
            claims.Add((findClaims.Number(0), findClaims.Number(1), findClaims.Number(2), (int)findClaims.Number(3)));
        }

        foreach (var (seq, queue, urgency, deliveries) in claims)
        {
            Release(session, seq, queue, urgency, deliveries + 1);
        }

        return claims.Count;
    }

    void AddReady(long queue, long urgency, long seq, int deliveries)
    {
        addReady.Bind(1, queue).Bind(2, urgency).Bind(3, seq).Bind(4, deliveries).Run();
        filled.Add(queue);
    }

    // The id is that of the message that gets the next number.
    bool TryAddPending(string id)
    {
        addPending.Bind(1, id).Bind(2, LastSeq() + 1).Run();
        return database.Changes > 0;
    }

    /// <summary>The last number that was given to a row.</summary>
    public long LastSeq()
    {
        if (last < 0)
        {
            last = readLast.Single()!.Value;
        }

        return last;
    }

    /// <summary>A number for a new row.</summary>
    public long NextSeq()
    {
        last = LastSeq() + 1;
        lastChanged = true;
        return last;
    }
}
