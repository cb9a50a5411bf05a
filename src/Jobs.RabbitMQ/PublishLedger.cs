using Jobs.Transport;

namespace Jobs.RabbitMQ;

/// <summary>
/// Keeps every publish of one publisher until the broker's answer: the publishes that wait in line, and those that are
/// written and not confirmed. The ledger outlives connections, and does no I/O.
/// </summary>
/// <remarks>
/// 1. <see cref="Add"/> puts a publish at the end of the line.
/// 2. <see cref="Begin"/> starts a page for a new channel. The page lists the publishes that were written on that
/// channel, by sequence number.
/// 3. The writer asks for the <see cref="Next"/> publish, makes sure that its queue is declared, calls
/// <see cref="TryWrite"/>, and writes the message.
/// 4. The broker answers. <see cref="Confirmed"/> settles the publish, and <see cref="Nacked"/> puts it aside, to be
/// sent again. When no queue took the message, <see cref="Returned"/> comes first, and then the confirm.
/// 5. <see cref="End"/> closes the page. Publishes that were written and not confirmed go back to the front of the
/// line.
/// 6. <see cref="Sweep"/> looks for publishes that have waited too long.
/// Any thread may call any method. The ledger calls nobody: a method returns the news that its caller must pass on,
/// such as a dropped reply or a stuck channel.
/// </remarks>
/// <param name="size">How many publishes may be unconfirmed at once.</param>
/// <param name="confirmTimeout">
/// How long the oldest publish may stay unconfirmed. After this time the channel counts as stuck. When the broker
/// confirms nothing at all, the channel counts as stuck after half of this time.
/// </param>
/// <param name="declare">Whether Jobs declares a deleted queue again.</param>
/// <param name="layout">The exchanges of delayed publishes.</param>
/// <param name="time">The clock.</param>
sealed partial class PublishLedger(int size, TimeSpan confirmTimeout, DeclareMode declare, QueueLayout layout, TimeProvider time)
{
    // When the leader of a queue dies, another one is elected within seconds. A caller that has waited longer than this
    // for its result has given up, or asks again.
    static readonly TimeSpan replyPatience = TimeSpan.FromSeconds(10);
    static readonly TimeSpan longSilence = TimeSpan.FromSeconds(2);

    // For a reply: longer than most elections, and short enough for some attempts within its patience.
    static readonly TimeSpan refusalPatience = TimeSpan.FromSeconds(2);

    readonly Lock gate = new();
    readonly PublishLine line = new(time);
    readonly ConfirmTimes confirms = new(time);
    readonly RefusingQueues refusing = new(time);
    readonly List<PendingPublish> answered = [];
    readonly Stack<PendingPublish> spare = new();
    readonly SemaphoreSlim wakeUp = new(0); // an extra release only makes the writer look once more
    PublishWindow window = new(size);
    int channels;
    int channel; // 0 for none

    // The number of suspects at the front of the line. The broker closed a channel because of one of these publishes,
    // and did not say which. They are sent one at a time until we know which.
    int suspects;
    bool writerIdle;
    bool closed;
    string? blocked;
    long blockedSince;
    long unblocked;
    long lastAnswer;
    long oldestSince;
    long swept;
    string? stuckQueue;

    /// <returns>
    /// <see langword="null"/> once the ledger is closed. Nobody would write the publish then, nor fail it at its
    /// deadline.
    /// </returns>
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
            var deadline = forEver ? long.MaxValue : time.GetTimestamp() + (long)(timeout.TotalSeconds * time.TimestampFrequency);
            publish.Begin(outgoing, delaySeconds, deadline, replyPatience);
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

    /// <summary>Takes a confirmed publish back from its caller, to use it again.</summary>
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

    /// <summary>The broker refuses the connection for good: fails every publish that waits.</summary>
    public void Fail(JobTransportException refusal) => Fail(_ => true, publish => PublishErrors.Refused(publish, refusal));

    /// <summary>Fails every publish that waits. After this, <see cref="Add"/> takes none.</summary>
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

    /// <summary>
    /// Whether suspects are in line. Suspects must keep their places, so the writer waits for the declaration of a
    /// suspect's queue.
    /// </summary>
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

    /// <summary>Lets the publishes to other queues go first while this queue cannot be declared.</summary>
    public void PutAside(string queue)
    {
        lock (gate)
        {
            line.PutAside(p => !p.IsReply && p.Queue == queue);
        }
    }

    /// <summary>Sets aside the publishes that wait for this declaration, until <see cref="EndHold"/>.</summary>
    public void Hold(string queue, bool delayed)
    {
        lock (gate)
        {
            line.Hold(p => p.Needs(queue, delayed));
        }
    }

    /// <summary>
    /// Brings back the publishes that <see cref="Hold"/> set aside. With <paramref name="goFirst"/> they go to the
    /// front of the line, in their order. Otherwise they wait a moment first, like publishes that their queue refused.
    /// </summary>
    public void EndHold(string queue, bool delayed, bool goFirst)
    {
        lock (gate)
        {
            line.EndHold(p => p.Needs(queue, delayed), goFirst);
            Wake();
        }
    }

    /// <summary>The broker refuses the declaration for good: fails every publish that waits for it.</summary>
    public void Fail(string queue, bool delayed, JobTransportException refusal) =>
        Fail(p => p.Needs(queue, delayed), publish => PublishErrors.Refused(publish, refusal));

    /// <summary>
    /// There is a new connection: the replies that wait have their whole patience again. A peer that falls silent is
    /// noticed after seconds, and these seconds say nothing about the queue of a reply.
    /// </summary>
    public void RenewPatience()
    {
        lock (gate)
        {
            foreach (var reply in line.Waiting.Where(p => p.IsReply))
            {
                reply.Patience = replyPatience;
            }
        }
    }

    /// <summary>Starts the page of a new channel. Sequence numbers begin at 1.</summary>
    /// <returns>
    /// The number of the channel. The broker's answers carry it, so a late answer of an earlier channel can settle
    /// nothing of this one.
    /// </returns>
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
    /// The next publish to write; <see langword="null"/> when the broker blocks, the window is full or nothing waits.
    /// After <see langword="null"/> the writer sleeps until <see cref="WokenAsync"/> ends.
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

    /// <returns>
    /// Whether it is still the turn of this publish. Its caller may have given up meanwhile, or another publish may
    /// have gone to the front.
    /// </returns>
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
            window.Add(publish); // before the write, because the confirm may come before the write returns
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

/// <summary>The numbers for health checks and gauges.</summary>
/// <param name="Blocked">
/// Why the broker takes no publishes now (a memory or disk alarm), or <see langword="null"/>.
/// </param>
/// <param name="BlockedFor">For how long the broker has taken none.</param>
/// <param name="ConfirmLatency">
/// The slowest recent confirm, or the age of the oldest unconfirmed publish: whichever is longer.
/// </param>
/// <param name="Pending">How many publishes wait to be written or confirmed.</param>
readonly record struct PublishSnapshot(string? Blocked, TimeSpan BlockedFor, TimeSpan ConfirmLatency, int Pending);

/// <summary>A reply that nobody takes.</summary>
/// <remarks>
/// The caller of the ledger is told that the reply is written. The job has succeeded, and must not run again because of
/// a lost reply.
/// </remarks>
readonly record struct DroppedReply(string Queue, string? JobId, string Why);
