namespace Jobs.RabbitMQ;

/// <summary>
/// The publishes that are not on a channel now: they wait for their turn, or were refused by a queue and wait for another one.
/// Not thread-safe: the ledger's lock guards it.
/// </summary>
sealed class PublishLine(TimeProvider time)
{
    static readonly TimeSpan aside = TimeSpan.FromMilliseconds(250);

    readonly LinkedList<PendingPublish> waiting = new();
    readonly List<PendingPublish> nacked = [];

    public int Count => waiting.Count + nacked.Count;

    /// <summary>Everything that still waits.</summary>
    public IEnumerable<PendingPublish> Waiting => waiting.Concat(nacked).Where(p => !p.Done);

    /// <summary>The next to write, or <see langword="null"/>.</summary>
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

    /// <summary>To the front again: its outcome is unknown, or its queue has to be declared again.</summary>
    public void PutFirst(PendingPublish publish) => waiting.AddFirst(publish.Node);

    /// <summary>Refused by its queue, not for good: after a moment it goes again, with the same id.</summary>
    public void PutAside(PendingPublish publish)
    {
        publish.NotBefore = time.GetTimestamp() + aside.Ticks * time.TimestampFrequency / TimeSpan.TicksPerSecond;
        nacked.Add(publish);
    }

    /// <summary>Lets others go first while the queue of these cannot be declared.</summary>
    public void PutAside(Func<PendingPublish, bool> which)
    {
        foreach (var publish in TakeOut(which))
        {
            PutAside(publish);
        }
    }

    /// <summary>Sets these aside until <see cref="EndHold"/>: their queue is being declared.</summary>
    public void Hold(Func<PendingPublish, bool> which)
    {
        foreach (var publish in TakeOut(which))
        {
            publish.NotBefore = long.MaxValue;
            nacked.Add(publish);
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
    }

    /// <summary>Drops what has its answer, and brings back what was put aside.</summary>
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
