namespace Jobs.Transport;

/// <summary>
/// Messages of a broadcast on their way. The queue is bounded: it drops the oldest messages and counts them, so that
/// whoever adds a message never waits.
/// </summary>
sealed class BroadcastQueue(int mostEvents = BroadcastQueue.MostEvents, int mostBytes = BroadcastQueue.MostBytes)
{
    public const int MostEvents = 10_000;
    public const int MostBytes = 4 << 20;

    readonly Lock gate = new();
    readonly Queue<BroadcastMessage> messages = new();
    TaskCompletionSource? arrival; // of those who wait while the queue is empty
    long dropped;
    int events;
    int bytes;
    bool isCompleted;

    /// <summary>How many events were dropped so far.</summary>
    public long Dropped => Interlocked.Read(ref dropped);

    public bool IsEmpty
    {
        get
        {
            lock (gate)
            {
                return messages.Count == 0;
            }
        }
    }

    public void Add(BroadcastMessage message)
    {
        lock (gate)
        {
            if (isCompleted)
            {
                Drop(message);
                return;
            }

            messages.Enqueue(message);
            (events, bytes) = (events + message.Events, bytes + message.Body.Length);
            while (events > mostEvents || bytes > mostBytes)
            {
                Drop(Dequeue());
            }

            arrival?.TrySetResult();
            arrival = null;
        }
    }

    /// <summary>Counts a message that was taken and could not be sent.</summary>
    public void Drop(BroadcastMessage message) => Interlocked.Add(ref dropped, message.Events);

    /// <summary>Counts events that did not even get here.</summary>
    public void Miss(long events) => Interlocked.Add(ref dropped, events);

    public BroadcastMessage? TryTake()
    {
        lock (gate)
        {
            return messages.Count > 0 ? Dequeue() : null;
        }
    }

    /// <summary>Waits for the next message; <see langword="null"/> when the queue is completed and empty.</summary>
    public async ValueTask<BroadcastMessage?> NextAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task arrived;
            lock (gate)
            {
                if (messages.Count > 0 || isCompleted)
                {
                    return messages.Count > 0 ? Dequeue() : null;
                }

                arrived = (arrival ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }

            await arrived.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Takes no more messages; those that wait can still be taken.</summary>
    public void Complete()
    {
        lock (gate)
        {
            isCompleted = true;
            arrival?.TrySetResult();
            arrival = null;
        }
    }

    BroadcastMessage Dequeue()
    {
        var message = messages.Dequeue();
        (events, bytes) = (events - message.Events, bytes - message.Body.Length);
        return message;
    }
}
