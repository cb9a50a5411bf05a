using Jobs.Transport;

namespace Jobs.Events;

/// <summary>The events of one sender on their way to the broadcast. Nobody who adds an event waits.</summary>
/// <remarks>
/// 1. Events of jobs gather in a batch. A batch is sent when it is full, and otherwise a quarter of a second after its
/// first event.
/// 2. Events of workers are sent at once, after the batch.
/// 3. The broadcast bounds what waits, drops the oldest, and counts.
/// </remarks>
sealed class EventFeed : IDisposable
{
    const int FullAtEvents = 100;
    const int FullAtBytes = 32 * 1024;

    const string TopicOfBatches = "task.multi";
    const string TopicOfHeartbeats = "worker.heartbeat"; // most of all events, and nobody asks for old ones

    static readonly TimeSpan longestWait = TimeSpan.FromMilliseconds(250);

    readonly Lock gate = new();
    readonly JobBroadcast broadcast;
    readonly JobLog? history;
    readonly string node;
    readonly TimeProvider time;
    readonly EventLosses losses;
    readonly EventWriter batch;
    readonly EventWriter alone;
    readonly ITimer flushing;
    bool isClosed;

    /// <param name="broadcast">Sends the events.</param>
    /// <param name="history">Keeps the events, if the transport does not do it by itself.</param>
    /// <param name="node">The name of the sender.</param>
    /// <param name="clock">Numbers the events of this process.</param>
    /// <param name="losses">Tells of events that were dropped.</param>
    /// <param name="time">The clock.</param>
    public EventFeed(JobBroadcast broadcast, JobLog? history, string node, LamportClock clock, EventLosses losses, TimeProvider time)
    {
        (this.broadcast, this.history, this.node, this.losses, this.time) = (broadcast, history, node, losses, time);
        (batch, alone) = (new(node, clock), new(node, clock));
        using (ExecutionContext.SuppressFlow()) // the timer outlives the call that makes the first feed
        {
            flushing = time.CreateTimer(_ => Flush(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    public string Node => node;

    /// <summary>The history that has to be told of events; <see langword="null"/> for none.</summary>
    public static JobLog? HistoryOf(JobTransport transport)
    {
        try
        {
            return transport.History is { IsFedByBroadcast: false } history ? history : null;
        }
        catch (NotSupportedException)
        {
            return null;
        }
    }

    /// <summary>Adds events of one job to the batch.</summary>
    /// <param name="facts">What the events say.</param>
    /// <param name="write">Writes them; they stay together.</param>
    public void Add<T>(in T facts, WriteEvents<T> write)
    {
        lock (gate)
        {
            if (isClosed || !TryWrite(batch, facts, write, out var isFirst))
            {
                return;
            }

            if (batch.Count >= FullAtEvents || batch.Length >= FullAtBytes)
            {
                SendBatch();
            }
            else if (isFirst)
            {
                flushing.Change(longestWait, Timeout.InfiniteTimeSpan);
            }
        }
    }

    /// <summary>Sends one event at once, after the events of jobs that wait.</summary>
    /// <param name="topic">Its topic: its type with dots.</param>
    /// <param name="life">After this time it says nothing any more.</param>
    /// <param name="facts">What it says.</param>
    /// <param name="write">Writes it.</param>
    public void Send<T>(string topic, TimeSpan life, in T facts, WriteEvents<T> write)
    {
        lock (gate)
        {
            if (isClosed)
            {
                return;
            }

            SendBatch();
            if (TryWrite(alone, facts, write, out _))
            {
                Give(new() { Topic = topic, Body = alone.Take(asList: false), Sender = node, SendBy = time.GetUtcNow() + life });
            }
        }

        losses.Look(broadcast);
    }

    /// <summary>Sends the events that wait, and takes no more.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            SendBatch();
            isClosed = true;
        }

        flushing.Dispose();
    }

    void Flush()
    {
        lock (gate)
        {
            SendBatch();
        }

        losses.Look(broadcast);
    }

    void SendBatch()
    {
        if (batch.Count > 0)
        {
            var events = batch.Count;
            Give(new() { Topic = TopicOfBatches, Body = batch.Take(asList: true), Sender = node, Events = events });
        }
    }

    void Give(BroadcastMessage message)
    {
        try
        {
            broadcast.Send(message);
            if (history is not null && message.Topic != TopicOfHeartbeats)
            {
                _ = history.AppendAsync([message.Body], CancellationToken.None); // waits for nothing, and drops what is too much
            }
        }
        catch (Exception)
        {
            // Against the contract of broadcasts; a transport of the user's own must not end a job or a timer.
        }
    }

    static bool TryWrite<T>(EventWriter writer, in T facts, WriteEvents<T> write, out bool isFirst)
    {
        var before = (writer.Length, writer.Count);
        isFirst = before.Count == 0;
        try
        {
            write(writer, facts);
            return writer.Count > before.Count;
        }
        catch (Exception)
        {
            writer.Undo(before); // an event that cannot be written changes nothing about its job
            return false;
        }
    }
}

/// <summary>Writes events.</summary>
delegate void WriteEvents<T>(EventWriter writer, in T facts);
