namespace Jobs.RabbitMQ;

/// <summary>The unconfirmed publishes of one channel, by sequence number. Not thread-safe: the ledger's lock guards it.</summary>
sealed class PublishWindow(int size)
{
    readonly PendingPublish?[] slots = new PendingPublish?[(int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)size)];
    ulong oldest = 1; // the client counts from 1
    ulong next = 1;

    public int Count { get; private set; }

    /// <summary>Number of the oldest unconfirmed.</summary>
    public ulong Oldest => oldest;

    /// <summary>Whether another one may be written. Measured from the oldest unconfirmed, so that a slot is never used twice.</summary>
    public bool HasRoom(int limit) => next - oldest < (ulong)Math.Min(limit, slots.Length);

    public void Add(PendingPublish publish)
    {
        slots[next & Mask] = publish;
        next++;
        Count++;
    }

    /// <summary>Takes out what a confirm speaks of, oldest first.</summary>
    public void Take(ulong tag, bool multiple, List<PendingPublish> into)
    {
        if (tag >= next || tag < oldest)
        {
            return;
        }

        for (var i = multiple ? oldest : tag; i <= tag; i++)
        {
            if (slots[i & Mask] is { } publish)
            {
                slots[i & Mask] = null;
                Count--;
                into.Add(publish);
            }
        }

        while (oldest < next && slots[oldest & Mask] is null)
        {
            oldest++;
        }
    }

    public IEnumerable<PendingPublish> InOrder()
    {
        for (var i = oldest; i < next; i++)
        {
            if (slots[i & Mask] is { } publish)
            {
                yield return publish;
            }
        }
    }

    ulong Mask => (ulong)slots.Length - 1;
}
