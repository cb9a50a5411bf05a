namespace Jobs.RabbitMQ;

/// <summary>
/// Knows which deliveries of one channel are complete, and chooses the acks to send for these deliveries.
/// </summary>
/// <remarks>
/// 1. One <c>multiple</c> ack settles all complete deliveries that are older than the oldest running one.
/// 2. A complete delivery that is younger than a running one waits for one flush, and then gets an ack of its own.
/// 3. The window has room for at least four times the prefetch. When the window is full, it gives up its oldest
/// delivery. If that delivery has no ack yet, it becomes a straggler. A <c>multiple</c> ack for younger deliveries
/// would settle the stragglers too, although their jobs still run. So while there are stragglers, each ack settles one
/// delivery.
/// The class is not thread-safe: the consumer's lock guards it.
/// </remarks>
sealed class AckWindow(int prefetch)
{
    readonly Entry[] entries = new Entry[(int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(prefetch * 4, 16))];
    readonly Dictionary<ulong, RabbitMqDelivery> stragglers = [];
    readonly Queue<RabbitMqDelivery> ackedStragglers = new(); // their acks may still be on the way; no entry knows them any more
    ulong lowest = 1; // tags of a channel begin with 1
    ulong next = 1;

    enum State : byte
    {
        Running,
        Complete,
        CompleteForAWhile,
        Sent,
    }

    struct Entry
    {
        public State State;
        public RabbitMqDelivery? Delivery;
    }

    /// <summary>The number of deliveries that the broker has no answer for yet.</summary>
    public int Unsettled { get; private set; }

    /// <summary>The number of deliveries that are complete and not acked yet.</summary>
    public int Completed { get; private set; }

    public void Add(ulong tag, RabbitMqDelivery delivery)
    {
        next = tag + 1;
        Unsettled++;
        while (next - lowest > (ulong)entries.Length)
        {
            // The window is full. Its oldest delivery becomes a straggler, unless the broker already has an answer for
            // it.
            ref var oldest = ref At(lowest);
            if (oldest.State != State.Sent)
            {
                stragglers[lowest] = oldest.Delivery!;
            }

            lowest++;
        }

        At(tag) = new() { Delivery = delivery };
    }

    /// <summary>The job has ended; its ack goes out with the next acks.</summary>
    public void Complete(ulong tag)
    {
        Completed++;
        if (tag >= lowest)
        {
            At(tag).State = State.Complete;
        }
    }

    /// <summary>The delivery has an answer of its own: it was released, or acked before its run.</summary>
    /// <remarks>
    /// Call this only after the answer was written. Until then the delivery must count as running. Otherwise a
    /// <c>multiple</c> ack could overtake the answer, and acknowledge a message that we give back.
    /// </remarks>
    public void Answered(ulong tag)
    {
        Unsettled--;
        if (tag >= lowest)
        {
            At(tag).State = State.Sent;
        }
        else
        {
            stragglers.Remove(tag);
        }
    }

    /// <summary>Adds the acks to send now, in order.</summary>
    public void TakeAcks(List<(ulong Tag, bool Multiple)> acks)
    {
        foreach (var (tag, delivery) in stragglers)
        {
            if (delivery.IsComplete)
            {
                acks.Add((tag, false));
            }
        }

        foreach (var (tag, _) in acks)
        {
            stragglers.Remove(tag, out var delivery);
            ackedStragglers.Enqueue(delivery!);
            if (ackedStragglers.Count > prefetch)
            {
                ackedStragglers.Dequeue();
            }
        }

        var settled = acks.Count;
        ulong prefix = 0;
        for (; lowest < next && At(lowest).State != State.Running; lowest++)
        {
            if (At(lowest).State == State.Sent)
            {
                continue;
            }

            settled++;
            if (stragglers.Count > 0)
            {
                acks.Add((lowest, false));
            }
            else
            {
                prefix = lowest;
            }

            At(lowest).State = State.Sent;
        }

        if (prefix > 0)
        {
            acks.Add((prefix, true));
        }

        // A complete delivery behind a running one waits for one flush, and is then acked alone. Otherwise one slow job
        // would use up the prefetch.
        for (var tag = lowest; tag < next; tag++)
        {
            ref var entry = ref At(tag);
            if (entry.State == State.CompleteForAWhile)
            {
                acks.Add((tag, false));
                settled++;
                entry.State = State.Sent;
            }
            else if (entry.State == State.Complete)
            {
                entry.State = State.CompleteForAWhile;
            }
        }

        Completed -= settled;
        Unsettled -= settled;
    }

    /// <summary>The deliveries that the broker may deliver again when this channel is lost.</summary>
    /// <remarks>
    /// These are the deliveries without an ack, and those whose ack is so recent that it may be lost with the channel.
    /// The broker holds at most a prefetch of them, so the window knows them all.
    /// </remarks>
    public IEnumerable<RabbitMqDelivery> MayComeBack()
    {
        foreach (var delivery in ackedStragglers.Concat(stragglers.Values))
        {
            yield return delivery;
        }

        var oldest = next > (ulong)entries.Length ? next - (ulong)entries.Length : 1;
        for (var tag = oldest; tag < next; tag++)
        {
            if (At(tag).Delivery is { } delivery)
            {
                yield return delivery;
            }
        }
    }

    ref Entry At(ulong tag) => ref entries[tag & ((ulong)entries.Length - 1)];
}
