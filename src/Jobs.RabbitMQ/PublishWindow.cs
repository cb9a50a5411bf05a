namespace Jobs.RabbitMQ;

/// <summary>
/// The unconfirmed publishes of one channel, by sequence number. The class is not thread-safe: the ledger's lock guards
/// it.
/// </summary>
sealed class PublishWindow(int size)
{
    readonly PendingPublish?[] places = new PendingPublish?[(int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)size)];
    ulong oldest = 1; // the client counts from 1
    ulong next = 1;

    public int Count { get; private set; }

    /// <summary>The sequence number of the oldest unconfirmed publish.</summary>
    public ulong Oldest => oldest;

    /// <summary>
    /// Whether another publish may be written. The room is measured from the oldest unconfirmed publish, so that no
    /// place in the array is used twice.
    /// </summary>
    public bool HasRoom(int limit) => next - oldest < (ulong)Math.Min(limit, places.Length);

    public void Add(PendingPublish publish)
    {
        places[next & Mask] = publish;
        next++;
        Count++;
    }

    /// <summary>Takes out the publishes that a confirm is for, oldest first.</summary>
    public void Take(ulong tag, bool multiple, List<PendingPublish> into)
    {
        if (tag >= next || tag < oldest)
        {
            return;
        }

        for (var i = multiple ? oldest : tag; i <= tag; i++)
        {
            if (places[i & Mask] is { } publish)
            {
                places[i & Mask] = null;
                Count--;
                into.Add(publish);
            }
        }

        while (oldest < next && places[oldest & Mask] is null)
        {
            oldest++;
        }
    }

    public IEnumerable<PendingPublish> InOrder()
    {
        for (var i = oldest; i < next; i++)
        {
            if (places[i & Mask] is { } publish)
            {
                yield return publish;
            }
        }
    }

    ulong Mask => (ulong)places.Length - 1;
}
