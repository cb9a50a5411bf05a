namespace Jobs.RabbitMQ;

/// <summary>
/// The publishes that are not on a channel now. Most of them wait for their turn. Others are put aside: for a moment,
/// when their queue refused them or cannot be declared; or for as long as their queue is being declared. The class is
/// not thread-safe: the ledger's lock guards it.
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
    /// Puts a publish at the front of the line, because its channel ended before the confirm, or because its queue was
    /// just declared.
    /// </summary>
    public void PutFirst(PendingPublish publish) => waiting.AddFirst(publish.Node);

    /// <summary>
    /// Puts a publish aside for a moment, for example because its queue refused it. After the moment the writer sends
    /// it again, with the same id.
    /// </summary>
    public void PutAside(PendingPublish publish)
    {
        publish.NotBefore = time.GetTimestamp() + aside.Ticks * time.TimestampFrequency / TimeSpan.TicksPerSecond;
        nacked.Add(publish);
    }

    /// <summary>
    /// Puts aside the publishes to a queue that cannot be declared now, so that other publishes go first.
    /// </summary>
    public void PutAside(Func<PendingPublish, bool> which)
    {
        foreach (var publish in TakeOut(which))
        {
            PutAside(publish);
        }
    }

    /// <summary>Sets publishes aside while their queue is being declared, until <see cref="EndHold"/>.</summary>
    public void Hold(Func<PendingPublish, bool> which)
    {
        foreach (var publish in TakeOut(which))
        {
            publish.NotBefore = long.MaxValue;
            nacked.Add(publish);
        }
    }

    /// <summary>
    /// Brings back the publishes that <see cref="Hold"/> set aside. With <paramref name="goFirst"/> they go to the
    /// front of the line, in their order. Otherwise they wait a moment first, like publishes that their queue refused.
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
    /// Removes the publishes whose callers have an answer. Publishes that were put aside long enough go to the end of
    /// the line.
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
