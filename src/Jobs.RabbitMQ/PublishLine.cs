namespace Jobs.RabbitMQ;

/// <summary>
/// The publishes that are not on a channel now. They wait for their turn; or they are put aside until their queue may
/// take them, or until it is declared. The class is not thread-safe: the ledger's lock guards it.
/// </summary>
sealed class PublishLine(TimeProvider time)
{
    static readonly TimeSpan aside = TimeSpan.FromMilliseconds(250);

    readonly LinkedList<PendingPublish> waiting = new();
    readonly List<PendingPublish> nacked = [];

    public int Count => waiting.Count + nacked.Count;

    /// <summary>All publishes that wait for their turn or are put aside.</summary>
    public IEnumerable<PendingPublish> Waiting => waiting.Concat(nacked).Where(p => !p.Done);

    /// <summary>The next publish to write, or <see langword="null"/>.</summary>
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

    public void Add(PendingPublish publish) => waiting.AddLast(publish.Node);

    public void RemoveFirst() => waiting.RemoveFirst();

    /// <summary>
    /// Puts a publish at the front again: nobody knows whether the broker has it, or its queue was just declared.
    /// </summary>
    public void PutFirst(PendingPublish publish) => waiting.AddFirst(publish.Node);

    /// <summary>
    /// Puts a publish aside that its queue refused, though not for good. The publish goes again after a moment, with
    /// the same id.
    /// </summary>
    public void PutAside(PendingPublish publish)
    {
        publish.NotBefore = time.GetTimestamp() + aside.Ticks * time.TimestampFrequency / TimeSpan.TicksPerSecond;
        nacked.Add(publish);
    }

    /// <summary>
    /// Puts the publishes to a queue aside while the queue cannot be declared, so that other publishes go first.
    /// </summary>
    public void PutAside(Func<PendingPublish, bool> which)
    {
        foreach (var publish in TakeOut(which))
        {
            PutAside(publish);
        }
    }

    /// <summary>Sets publishes aside until <see cref="EndHold"/>, while their queue is being declared.</summary>
    public void Hold(Func<PendingPublish, bool> which)
    {
        foreach (var publish in TakeOut(which))
        {
            publish.NotBefore = long.MaxValue;
            nacked.Add(publish);
        }
    }

    /// <summary>
    /// Brings the publishes back that <see cref="Hold"/> set aside: to the front and in their order, or later, as if
    /// their queue had refused them.
    /// </summary>
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
    }

    /// <summary>
    /// Removes the publishes whose callers have an answer, and brings those back that were put aside long enough.
    /// </summary>
    public void Sweep(long now)
    {
        TakeOut(p => p.Done);
        foreach (var publish in nacked.Where(p => !p.Done && p.NotBefore <= now))
        {
            waiting.AddLast(publish.Node);
        }

        nacked.RemoveAll(p => p.Done || p.NotBefore <= now);
    }

    List<PendingPublish> TakeOut(Func<PendingPublish, bool> which)
    {
        var taken = new List<PendingPublish>();
        for (var node = waiting.First; node is not null;)
        {
            var next = node.Next;
            if (which(node.Value))
            {
                waiting.Remove(node);
                taken.Add(node.Value);
            }

            node = next;
        }

        return taken;
    }
}
