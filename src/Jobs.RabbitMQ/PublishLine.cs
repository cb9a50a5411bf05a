using Jobs.Transport;

namespace Jobs.RabbitMQ;

/// <summary>The publishes that are not on any connection now: waiting for their turn, or refused by a queue and waiting for another one.</summary>
/// <remarks>It outlives connections. <see cref="Gate"/> guards it, the session's window and every <see cref="PendingPublish"/>.</remarks>
sealed class PublishLine(TimeProvider time)
{
    static readonly TimeSpan aside = TimeSpan.FromMilliseconds(250);

    // A queue whose leader died has another one within seconds; a caller that waits for its result longer than this has given up, or asks again.
    static readonly TimeSpan replyPatience = TimeSpan.FromSeconds(10);

    readonly LinkedList<PendingPublish> waiting = new();
    readonly List<PendingPublish> nacked = [];
    readonly Stack<PendingPublish> spare = new();
    readonly SemaphoreSlim wakeUp = new(0); // one release too many only makes the writer look once more
    bool writerIdle;
    bool closed;

    public Lock Gate { get; } = new();

    public int Count => waiting.Count + nacked.Count;

    /// <summary>How long confirms took, over all connections.</summary>
    public ConfirmTimes Confirms { get; } = new(time);

    /// <summary>How many, from the front, were on a channel that the broker closed over one of them: they go one at a time until it is known which.</summary>
    public int Suspects { get; set; }

    /// <summary>Everything that still waits.</summary>
    public IEnumerable<PendingPublish> Waiting => waiting.Concat(nacked).Where(p => !p.Done);

    /// <summary>The next to write, or <see langword="null"/>; then the writer sleeps until <see cref="Wake"/>.</summary>
    public PendingPublish? First
    {
        get
        {
            while (waiting.First is { Value.Done: true })
            {
                waiting.RemoveFirst();
            }

            return waiting.First?.Value;
        }
    }

    /// <returns><see langword="null"/> once it is closed: nobody would write it, nor tell its caller at its deadline.</returns>
    public PendingPublish? Add(Outgoing outgoing, int delaySeconds, TimeSpan timeout)
    {
        lock (Gate)
        {
            if (closed)
            {
                return null;
            }

            var publish = spare.TryPop(out var used) ? used : new(this);
            publish.Begin(
                outgoing,
                delaySeconds,
                timeout == Timeout.InfiniteTimeSpan || outgoing.Kind == OutgoingKind.Reply ? long.MaxValue : time.GetTimestamp() + (long)(timeout.TotalSeconds * time.TimestampFrequency),
                replyPatience);
            waiting.AddLast(publish);
            Wake();
            return publish;
        }
    }

    public void RemoveFirst() => waiting.RemoveFirst();

    /// <summary>To the front again: its outcome is unknown, or its queue has to be declared again.</summary>
    public void PutFirst(PendingPublish publish) => waiting.AddFirst(publish);

    /// <summary>Refused by its queue, not for good: after a moment it goes again, with the same id.</summary>
    public void PutAside(PendingPublish publish)
    {
        publish.NotBefore = time.GetTimestamp() + aside.Ticks * time.TimestampFrequency / TimeSpan.TicksPerSecond;
        nacked.Add(publish);
    }

    /// <summary>Lets others go first while the queue of these cannot be declared.</summary>
    public void PutAside(Func<PendingPublish, bool> which)
    {
        for (var node = waiting.First; node is not null;)
        {
            var next = node.Next;
            if (which(node.Value))
            {
                waiting.Remove(node);
                PutAside(node.Value);
            }

            node = next;
        }
    }

    /// <summary>Sets these aside until <see cref="EndHold"/>: their queue is being declared.</summary>
    public void Hold(Func<PendingPublish, bool> which)
    {
        for (var node = waiting.First; node is not null;)
        {
            var next = node.Next;
            if (which(node.Value))
            {
                waiting.Remove(node);
                node.Value.NotBefore = long.MaxValue;
                nacked.Add(node.Value);
            }

            node = next;
        }
    }

    /// <summary>Brings them back: to the front, in their order, or as if they had been refused by their queue.</summary>
    public void EndHold(Func<PendingPublish, bool> which, bool goFirst)
    {
        bool IsHeld(PendingPublish publish) => publish.NotBefore == long.MaxValue && which(publish);
        var held = nacked.FindAll(IsHeld);
        nacked.RemoveAll(IsHeld);
        foreach (var publish in Enumerable.Reverse(held))
        {
            if (goFirst)
            {
                PutFirst(publish);
            }
            else
            {
                PutAside(publish);
            }
        }

        Wake();
    }

    /// <summary>Drops what has its answer, and brings back what was put aside.</summary>
    public void Sweep(long now)
    {
        for (var node = waiting.First; node is not null;)
        {
            var next = node.Next;
            if (node.Value.Done)
            {
                waiting.Remove(node);
            }

            node = next;
        }

        foreach (var publish in nacked.Where(p => !p.Done && p.NotBefore <= now))
        {
            waiting.AddLast(publish);
        }

        nacked.RemoveAll(p => p.Done || p.NotBefore <= now);
        Wake();
    }

    public void Fail(Func<PendingPublish, bool> which, Func<PendingPublish, Exception> why)
    {
        lock (Gate)
        {
            foreach (var publish in Waiting.Where(which))
            {
                publish.Fail(why(publish));
            }
        }
    }

    /// <summary>Fails what waits, and takes nothing more.</summary>
    public void Close(Func<PendingPublish, Exception> why)
    {
        lock (Gate)
        {
            closed = true;
            Fail(_ => true, why);
        }
    }

    public void Cancel(PendingPublish publish, CancellationToken token)
    {
        lock (Gate)
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
        lock (Gate)
        {
            if (spare.Count < Kept)
            {
                spare.Push(publish);
            }
        }
    }

    /// <summary>The writer has nothing it may write.</summary>
    public void Idle() => writerIdle = true;

    public void Wake()
    {
        if (writerIdle)
        {
            writerIdle = false;
            wakeUp.Release();
        }
    }

    public Task WokenAsync(CancellationToken cancellationToken) => wakeUp.WaitAsync(cancellationToken);
}
