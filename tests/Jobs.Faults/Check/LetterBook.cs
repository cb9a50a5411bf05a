using Jobs.Faults.Logs;

namespace Jobs.Faults.Check;

/// <summary>
/// The jobs that died and were sent back, and the looks through the dead letters that were interrupted. A death makes one
/// letter, and a letter goes back once. A look that is interrupted may send back twice what it had in hand.
/// </summary>
sealed class LetterBook
{
    const int Worker = Load.WorkerProgram.Process;

    readonly Dictionary<JobKey, Life> lives = [];
    readonly Dictionary<ushort, int> looking = []; // the prefetch of the look that each process is at
    readonly HashSet<JobKey> queued = [];
    readonly HashSet<JobKey> indexed = [];
    long resent;
    long inHand;
    int interrupted;

    /// <summary>Takes what is about letters.</summary>
    public void Take(LogRecord record)
    {
        var process = record.Key.Producer;
        switch (record.Said)
        {
            case Said.Died: Of(record.Key).Deaths++; break;
            case Said.DeadLetter: queued.Add(record.Key); break;
            case Said.Indexed: indexed.Add(record.Key); break;
            case Said.Republished when process == Worker: resent += record.Key.Number; break;
            case Said.RequestDone: looking.Remove(process); break;
            case Said.SweepBegan:
                Interrupt(process);
                looking[process] = record.Key.Number;
                break;
        }
    }

    /// <summary>Whether this message was not seen before.</summary>
    public bool Returned(LogRecord record) => Of(record.Key).Copies.Add(record.Attempt);

    /// <summary>To be called when all records were read.</summary>
    /// <param name="isOver">Whether a job has ended well or is a dead letter.</param>
    public LetterResult Conclude(Func<JobKey, bool> isOver)
    {
        foreach (var process in looking.Keys.ToList())
        {
            Interrupt(process);
        }

        return new()
        {
            Died = lives.Values.Count(life => life.Deaths > 0),
            SentBack = lives.Values.Count(life => life.Copies.Count > 0),
            Lost = [.. lives.Where(life => life.Value.Deaths > 0 && !isOver(life.Key)).Select(life => life.Key)],
            Forgotten = [.. queued.Except(indexed)],
            Phantoms = [.. indexed.Except(queued)],
            // A letter of the broker's own has no death.
            SentTwice = lives.Values.Sum(life => Math.Max(0, life.Copies.Count - Math.Max(1, life.Deaths))),
            Bound = inHand + resent,
            Interrupted = interrupted,
        };
    }

    void Interrupt(ushort process)
    {
        if (looking.Remove(process, out var prefetch))
        {
            interrupted++;
            inHand += prefetch;
        }
    }

    Life Of(JobKey key)
    {
        if (!lives.TryGetValue(key, out var life))
        {
            lives[key] = life = new();
        }

        return life;
    }

    sealed class Life
    {
        public int Deaths { get; set; }

        public HashSet<byte> Copies { get; } = [];
    }
}

/// <summary>What became of the dead letters.</summary>
sealed class LetterResult
{
    public static readonly string Definition =
        "Sent back twice: the messages with a stamp of their own that ran, beyond the deaths of their job. Bound: the prefetch of each look through the dead "
        + "letters that was interrupted (log line 440 of jobs.dead without a line 156 before the next one of that process), and what workers sent again (422), "
        + "of which any may be a letter.";

    /// <summary>Jobs that died at least once.</summary>
    public int Died { get; init; }

    /// <summary>Jobs that ran again.</summary>
    public int SentBack { get; init; }

    /// <summary>Died, did not end well, and are no letters.</summary>
    public IReadOnlyList<JobKey> Lost { get; init; } = [];

    /// <summary>In the queue at the end, and not in the index.</summary>
    public IReadOnlyList<JobKey> Forgotten { get; init; } = [];

    /// <summary>In the index at the end, and not in the queue.</summary>
    public IReadOnlyList<JobKey> Phantoms { get; init; } = [];

    public long SentTwice { get; init; }

    /// <summary>What <see cref="SentTwice"/> may be.</summary>
    public long Bound { get; init; }

    public bool IsOverBound => SentTwice > Bound;

    /// <summary>Looks through the dead letters that were interrupted.</summary>
    public int Interrupted { get; init; }
}
