using Jobs.Transport;

namespace Jobs.RabbitMQ;

/// <summary>
/// The book of all publishes of one publisher: those that wait, and those that the broker has not confirmed yet.
/// It outlives connections, and does no I/O.
/// </summary>
/// <remarks>
/// 1. <see cref="Add"/> puts a publish in line.
/// 2. <see cref="Begin"/> opens the page of a channel: its publishes have the sequence numbers of the channel.
/// 3. The writer asks for <see cref="Next"/>, makes sure that its queue is declared, and writes it after <see cref="TryWrite"/>.
/// 4. The broker's answers settle it: <see cref="Confirmed"/>, <see cref="Nacked"/>, and <see cref="Returned"/> before the confirm of the same message.
/// 5. <see cref="End"/> closes the page: what was written and not confirmed goes to the front of the line.
/// 6. <see cref="Sweep"/> looks for what has waited too long.
/// All methods may be called from any thread. What somebody has to be told of is returned.
/// </remarks>
/// <param name="size">How many publishes may be unconfirmed at once.</param>
/// <param name="confirmTimeout">
/// How long the oldest of them may stay unconfirmed before the channel is given up; half of it, when nothing else is confirmed either.
/// </param>
/// <param name="declare">Whether a queue that was deleted is declared again.</param>
/// <param name="layout">The exchanges of delayed publishes.</param>
/// <param name="time">The clock.</param>
sealed partial class PublishLedger(int size, TimeSpan confirmTimeout, DeclareMode declare, QueueLayout layout, TimeProvider time)
{
    // A queue whose leader died has another one within seconds; a caller that waits for its result longer than this has given up, or asks again.
    static readonly TimeSpan replyPatience = TimeSpan.FromSeconds(10);
    static readonly TimeSpan longSilence = TimeSpan.FromSeconds(2);

    readonly Lock gate = new();
    readonly PublishLine line = new(time);
    readonly ConfirmTimes confirms = new(time);
    readonly List<PendingPublish> answered = [];
    readonly Stack<PendingPublish> spare = new();
    readonly SemaphoreSlim wakeUp = new(0); // one release too many only makes the writer look once more
    PublishWindow window = new(size);
    int channels;
    int channel; // 0 for none
    int suspects; // how many, from the front, were on a channel that the broker closed over one of them: they go one at a time until it is known which
    bool writerIdle;
    bool closed;
    string? blocked;
    long blockedSince;
    long unblocked;
    long lastAnswer;
    long oldestSince;
    long swept;
    string? stuckQueue;

    /// <returns><see langword="null"/> once it is closed: nobody would write it, nor tell its caller at its deadline.</returns>
    public PendingPublish? Add(Outgoing outgoing, int delaySeconds, TimeSpan timeout)
    {
        lock (gate)
        {
            if (closed)
            {
                return null;
            }

            var publish = spare.TryPop(out var used) ? used : new(this);
            var forEver = timeout == Timeout.InfiniteTimeSpan || outgoing.Kind == OutgoingKind.Reply;
            publish.Begin(outgoing, delaySeconds, forEver ? long.MaxValue : time.GetTimestamp() + (long)(timeout.TotalSeconds * time.TimestampFrequency), replyPatience);
            line.Add(publish);
            Wake();
            return publish;
        }
    }

    public void Cancel(PendingPublish publish, CancellationToken token)
    {
        lock (gate)
        {
            if (!publish.Done)
            {
                publish.Fail(new OperationCanceledException(token));
            }
        }
    }

    /// <summary>A confirmed publish comes back here from its caller.</summary>
    public void Reuse(PendingPublish publish)
    {
        const int Kept = 4096;
        lock (gate)
        {
            if (spare.Count < Kept)
            {
                spare.Push(publish);
            }
        }
    }

    /// <summary>The broker refuses the connection for good: everything that waits is told.</summary>
    public void Fail(JobTransportException refusal) => Fail(_ => true, publish => PublishErrors.Refused(publish, refusal));

    /// <summary>Fails what waits, and takes nothing more.</summary>
    public void Close(Exception? lastFailure)
    {
        lock (gate)
        {
            closed = true;
            Fail(_ => true, publish => PublishErrors.Overdue(publish, blocked, lastFailure));
        }
    }

    public PublishSnapshot Snapshot()
    {
        lock (gate)
        {
            var now = time.GetTimestamp();
            var slowest = confirms.Slowest(now);
            var oldest = window.InOrder().FirstOrDefault() is { } first ? time.GetElapsedTime(first.SentAt, now) : TimeSpan.Zero;
            var blockedFor = blocked is null ? TimeSpan.Zero : time.GetElapsedTime(blockedSince, now);
            return new(blocked, blockedFor, slowest > oldest ? slowest : oldest, line.Count + window.Count);
        }
    }

    /// <summary>Suspects keep their places: the writer waits for the declaration of a suspect's queue.</summary>
    public bool HasSuspects
    {
        get
        {
            lock (gate)
            {
                return suspects > 0;
            }
        }
    }

    /// <summary>Lets others go first while this queue cannot be declared.</summary>
    public void PutAside(string queue)
    {
        lock (gate)
        {
            line.PutAside(p => !p.IsReply && p.Queue == queue);
        }
    }

    /// <summary>Sets aside what waits for this declaration until <see cref="EndHold"/>.</summary>
    public void Hold(string queue, bool delayed)
    {
        lock (gate)
        {
            line.Hold(p => p.Needs(queue, delayed));
        }
    }

    /// <summary>Brings it back: to the front, in its order, or as if it had been refused by the queue.</summary>
    public void EndHold(string queue, bool delayed, bool goFirst)
    {
        lock (gate)
        {
            line.EndHold(p => p.Needs(queue, delayed), goFirst);
            Wake();
        }
    }

    /// <summary>The declaration is refused for good: everything that waits for it is told.</summary>
    public void Fail(string queue, bool delayed, JobTransportException refusal) =>
        Fail(p => p.Needs(queue, delayed), publish => PublishErrors.Refused(publish, refusal));

    /// <summary>A new channel: sequence numbers begin at 1.</summary>
    /// <returns>Number of the channel. The broker's answers carry it: a late one of a former channel can settle nothing of this one.</returns>
    public int Begin()
    {
        lock (gate)
        {
            window = new(size);
            (blocked, stuckQueue) = (null, null);
            (blockedSince, unblocked, lastAnswer, oldestSince, swept) = (0, 0, 0, 0, 0);
            return channel = ++channels;
        }
    }

    /// <summary>
    /// The next to write. Or <see langword="null"/>: the broker blocks, the window is full or nothing waits; then the writer sleeps until
    /// <see cref="WokenAsync"/> ends.
    /// </summary>
    public PendingPublish? Next()
    {
        lock (gate)
        {
            if (blocked is null && HasRoom && line.First is { } first)
            {
                return first;
            }

            writerIdle = true;
            return null;
        }
    }

    public Task WokenAsync(CancellationToken cancellationToken) => wakeUp.WaitAsync(cancellationToken);

    /// <returns>Whether it is still its turn: it may have been given up, or another one put first.</returns>
    public bool TryWrite(PendingPublish publish)
    {
        lock (gate)
        {
            if (line.First != publish)
            {
                return false;
            }

            line.RemoveFirst();
            publish.MaybeSent = true;
            publish.SentAt = time.GetTimestamp();
            window.Add(publish); // before the write: the confirm may overtake its return
            return true;
        }
    }

    bool HasRoom => window.HasRoom(suspects > 0 ? 1 : size);

    void Fail(Func<PendingPublish, bool> which, Func<PendingPublish, Exception> why)
    {
        lock (gate)
        {
            foreach (var publish in line.Waiting.Where(which))
            {
                publish.Fail(why(publish));
            }
        }
    }

    DroppedReply Drop(PendingPublish reply, string why)
    {
        reply.Drop();
        return new(reply.Queue, reply.Message.CorrelationId, why);
    }

    void Wake()
    {
        if (writerIdle)
        {
            writerIdle = false;
            wakeUp.Release();
        }
    }
}

/// <summary>What health checks and gauges want to know.</summary>
/// <param name="Blocked">Why the broker takes nothing now (a memory or disk alarm), or <see langword="null"/>.</param>
/// <param name="BlockedFor">How long.</param>
/// <param name="ConfirmLatency">The slowest confirm of late; or the age of the oldest unconfirmed publish, when that is more.</param>
/// <param name="Pending">How many wait to be written or confirmed.</param>
readonly record struct PublishSnapshot(string? Blocked, TimeSpan BlockedFor, TimeSpan ConfirmLatency, int Pending);

/// <summary>A reply that nobody takes. Its caller was told that it is written: its job has succeeded, and must not run again for it.</summary>
readonly record struct DroppedReply(string Queue, string? JobId, string Why);
