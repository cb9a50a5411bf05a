namespace Jobs.RabbitMQ;

/// <summary>
/// Which deliveries of one channel are complete, and which acks to send for them: one <c>multiple</c> ack for the contiguous prefix, single ones
/// for what completed beyond a slow job. Not thread-safe: the consumer's lock guards it.
/// </summary>
/// <remarks>
/// A <c>multiple</c> ack settles everything up to its tag. So a job that is still running when the window has moved past it – a straggler –
/// forbids them until it ends.
/// </remarks>
sealed class AckWindow(int prefetch)
{
    readonly Entry[] entries = new Entry[(int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(prefetch * 4, 16))];
    readonly Dictionary<ulong, RabbitMqDelivery> stragglers = [];
    readonly Queue<RabbitMqDelivery> ackedStragglers = new(); // their acks may still be on the way; the entries have moved on
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

    /// <summary>Deliveries without an answer to the broker yet.</summary>
    public int Unsettled { get; private set; }

    /// <summary>Completed and not yet acknowledged.</summary>
    public int Completed { get; private set; }

    public void Add(ulong tag, RabbitMqDelivery delivery)
    {
        next = tag + 1;
        Unsettled++;
        while (next - lowest > (ulong)entries.Length)
        {
            // Out of room: what is lowest is running still, or was answered alone.
            ref var oldest = ref At(lowest);
            if (oldest.State != State.Sent)
            {
                stragglers[lowest] = oldest.Delivery!;
            }

            lowest++;
        }

        At(tag) = new() { Delivery = delivery };
    }

    /// <summary>The job has come to its end.</summary>
    public void Complete(ulong tag)
    {
        Completed++;
        if (tag >= lowest)
        {
            At(tag).State = State.Complete;
        }
    }

    /// <summary>
    /// It has been answered alone: released, or acked before its run. Only after that answer was written: until then it must look like running, or a
    /// <c>multiple</c> ack could overtake the answer, and acknowledge what was given back.
    /// </summary>
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

    /// <summary>The acks to send now, in order.</summary>
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

        // Beyond the gap: what waited through one flush is acked alone, so that a slow job does not keep the broker from delivering.
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

    /// <summary>
    /// Everything that the broker may deliver again when this channel is lost: what has no ack yet, and what was acked so recently that the ack may have
    /// been lost with the channel. The broker holds at most a prefetch of these, so the window has them all.
    /// </summary>
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
