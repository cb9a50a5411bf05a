using System.Text;
using System.Threading.Channels;
using Jobs.Transport;
using Jobs.Wire;
using RabbitMQ.Client;

namespace Jobs.RabbitMQ;

/// <summary>One consumer of a journal, from its first message to the end of its channel.</summary>
/// <remarks>
/// A record stays unacknowledged until it is forgotten; its handle is its delivery tag. One message without a record, the
/// last one, is kept unacknowledged too: when this channel ends, the broker delivers that message to the next consumer,
/// which so learns that it leads, even when the journal is empty.
/// </remarks>
sealed class RabbitMqJournalReader : JournalReader
{
    static readonly TimeSpan appendTimeout = TimeSpan.FromSeconds(30);
    static readonly TimeSpan goodbye = TimeSpan.FromSeconds(5);

    // Records that stay unacknowledged for longer could reach the broker's consumer time-out (30 minutes by default),
    // and keep the broker from truncating the queue's log.
    static readonly TimeSpan old = TimeSpan.FromMinutes(5);

    // The broker delivers at most this many messages before an ack, and some room must be left for marks and questions.
    // When the queue has more records than fit, the term begins before all are read. The broker delivers the rest when
    // the first ones are forgotten.
    const ushort Prefetch = ushort.MaxValue;
    const int Room = 1024;

    readonly RabbitMqJournal journal;
    readonly Incarnation incarnation;
    readonly IChannel channel;
    readonly TimeProvider time;
    readonly Lock gate = new();
    readonly List<JournalRecord> backlog = [];
    readonly SortedSet<ulong> held = []; // the tags of all records that are not forgotten
    readonly Queue<(ulong Tag, long At)> ages = new(); // of the same, and of some that are forgotten
    readonly Channel<JournalRecord> arriving = Channel.CreateUnbounded<JournalRecord>();
    readonly CancellationTokenSource lost = new();
    readonly TaskCompletionSource caughtUp = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly ITimer occasion;
    CancellationTokenRegistration ofConnection;
    Task? closing;
    string mark = "";
    TaskCompletionSource markSeen = new(TaskCreationOptions.RunContinuationsAsynchronously);
    ulong kept; // the tag of the message without a record; 0 for none
    long received;
    bool hasReadAll;
    string? reason;

    RabbitMqJournalReader(RabbitMqJournal journal, Incarnation incarnation, IChannel channel, TimeProvider time)
    {
        (this.journal, this.incarnation, this.channel, this.time) = (journal, incarnation, channel, time);
        Lost = lost.Token;
        occasion = time.CreateTimer(_ => arriving.Writer.TryWrite(default), null, old, old);
    }

    public override IReadOnlyList<JournalRecord> Backlog => backlog;

    public override bool HasReadAll => hasReadAll;

    public override CancellationToken Lost { get; }

    public override string LostReason => reason ?? "it is not lost";

    public override bool HoldsOldRecords
    {
        get
        {
            lock (gate)
            {
                while (ages.TryPeek(out var oldest) && !held.Contains(oldest.Tag))
                {
                    ages.Dequeue();
                }

                return ages.TryPeek(out var first) && time.GetElapsedTime(first.At) >= old;
            }
        }
    }

    /// <summary>Ends when this process is the active consumer and has read everything.</summary>
    public Task CaughtUp => caughtUp.Task;

    /// <summary>Ends when this consumer gets no more records; never fails.</summary>
    public Task Ended => ended.Task;

    /// <summary>How many messages the broker has delivered.</summary>
    public long Received => Volatile.Read(ref received);

    /// <summary>Whether the broker delivers no more until some records are forgotten.</summary>
    public bool IsFull
    {
        get
        {
            lock (gate)
            {
                return held.Count >= Prefetch - Room;
            }
        }
    }

    public static async Task<RabbitMqJournalReader> StartAsync(
        RabbitMqJournal journal, Incarnation incarnation, string queue, TimeProvider time, CancellationToken life)
    {
        var channel = await incarnation.Connection.CreateChannelAsync(new(false, false, null, 1), life).ConfigureAwait(false);
        var reader = new RabbitMqJournalReader(journal, incarnation, channel, time);
        try
        {
            channel.ChannelShutdownAsync += (_, why) =>
            {
                reader.End($"{why.ReplyCode} {why.ReplyText}");
                return Task.CompletedTask;
            };
            reader.ofConnection = incarnation.Dead.UnsafeRegister(_ => reader.End(incarnation.Reason ?? "its connection ended"), null);
            await channel.BasicQosAsync(0, Prefetch, global: false, life).ConfigureAwait(false);
            await channel.BasicConsumeAsync(queue, autoAck: false, new Callback(reader, channel), life).ConfigureAwait(false);
            return reader;
        }
        catch
        {
            await reader.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public override async ValueTask<JournalRecord> NextAsync(CancellationToken cancellationToken)
    {
        using var both = CancellationTokenSource.CreateLinkedTokenSource(Lost, cancellationToken);
        return await arriving.Reader.ReadAsync(both.Token).ConfigureAwait(false);
    }

    public override async ValueTask ForgetAsync(IReadOnlyCollection<long> handles, CancellationToken cancellationToken)
    {
        var (single, upTo) = Forgotten(handles);
        try
        {
            using var life = CancellationTokenSource.CreateLinkedTokenSource(incarnation.Dead, cancellationToken);
            if (upTo > 0)
            {
                await channel.BasicAckAsync(upTo, multiple: true, life.Token).ConfigureAwait(false);
            }

            foreach (var tag in single)
            {
                await channel.BasicAckAsync(tag, multiple: false, life.Token).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            End(e.Message); // some are acknowledged, some are not: only another term knows
        }
    }

    public override async ValueTask RewriteAsync(
        IReadOnlyCollection<long> handles, IReadOnlyList<ReadOnlyMemory<byte>> records, CancellationToken cancellationToken)
    {
        await Task.WhenAll(records.Select(record => journal.AppendAsync(record, appendTimeout, cancellationToken).AsTask())).ConfigureAwait(false);

        // Checkpoint: a crash here leaves the new records and those that they replace. Merging both gives the same
        // state.
        await ForgetAsync(handles, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Splits the tags of what is forgotten: one acknowledgement takes all below the first record that stays.
    /// </summary>
    (List<ulong> Single, ulong UpTo) Forgotten(IReadOnlyCollection<long> handles)
    {
        lock (gate)
        {
            var tags = handles.Select(handle => (ulong)handle).Where(held.Remove).Order().ToList();
            var first = Math.Min(held.Count > 0 ? held.Min : ulong.MaxValue, kept > 0 ? kept : ulong.MaxValue);
            var below = tags.FindLastIndex(tag => tag < first);
            return (tags[(below + 1)..], below < 0 ? 0 : tags[below]);
        }
    }

    /// <summary>
    /// Publishes a mark and waits until the broker delivers the mark to this consumer, as it does for the leader.
    /// </summary>
    /// <returns>
    /// Whether the mark came back in time; also <see langword="true"/> when this consumer ended meanwhile.
    /// </returns>
    /// <exception cref="JobPublishException">
    /// The mark could not be published. This says nothing about who leads.
    /// </exception>
    public async Task<bool> SeesItsMarkAsync(TimeSpan within)
    {
        var seen = await MarkAsync().ConfigureAwait(false);
        await Task.WhenAny(seen, Ended, Task.Delay(within, time, CancellationToken.None)).ConfigureAwait(false);
        return seen.IsCompletedSuccessfully || Ended.IsCompleted;
    }

    /// <returns>The tag to acknowledge at once; 0 for none.</returns>
    ulong Receive(ulong tag, IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body)
    {
        var item = new JournalRecord((long)tag, body.ToArray());
        lock (gate)
        {
            if (received++ == 0)
            {
                _ = FirstMarkAsync();
            }

            if (properties.Headers?.ContainsKey(WireHeaders.Ask) == true)
            {
                if (properties.ReplyTo is { } asker)
                {
                    // A question that came before all records were read is answered after them.
                    arriving.Writer.TryWrite(item with { Handle = 0, AnswerAsync = answer => JournalQuestion.AnswerAsync(incarnation, asker, answer, Lost) });
                }

                return tag;
            }

            if (body.IsEmpty)
            {
                return Empty(tag, properties);
            }

            held.Add(tag);
            ages.Enqueue((tag, time.GetTimestamp()));
            if (caughtUp.Task.IsCompleted)
            {
                arriving.Writer.TryWrite(item);
            }
            else
            {
                backlog.Add(item);
                if (backlog.Count == Prefetch - Room)
                {
                    caughtUp.TrySetResult();
                }
            }

            return 0;
        }
    }

    /// <summary>A message without a record: a mark, or one that only makes the broker deliver something.</summary>
    ulong Empty(ulong tag, IReadOnlyBasicProperties properties)
    {
        if (properties.Headers?.TryGetValue(WireHeaders.Mark, out var value) == true && value is byte[] bytes && Encoding.ASCII.GetString(bytes) == mark)
        {
            markSeen.TrySetResult();
            hasReadAll |= !caughtUp.Task.IsCompleted;
            caughtUp.TrySetResult();
        }

        var former = kept;
        kept = tag;
        return former;
    }

    async Task AcknowledgeAsync(ulong tag)
    {
        try
        {
            await channel.BasicAckAsync(tag, multiple: false, incarnation.Dead).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            End(e.Message);
        }
    }

    // Runs outside the client's callback: nothing may hold the callback up, and least of all a publish.
    async Task FirstMarkAsync()
    {
        try
        {
            await Task.Yield();
            await MarkAsync().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            End(e.Message);
        }
    }

    async Task<Task> MarkAsync()
    {
        Task seen;
        string text;
        lock (gate)
        {
            text = mark = Guid.NewGuid().ToString("N");
            markSeen = new(TaskCreationOptions.RunContinuationsAsynchronously);
            seen = markSeen.Task;
        }

        await journal.AppendAsync(default, new() { [WireHeaders.Mark] = text }, appendTimeout, Lost).ConfigureAwait(false);
        return seen;
    }

    /// <summary>This consumer gets no more records. If it led, its term is over.</summary>
    public void End(string why)
    {
        lock (gate)
        {
            reason ??= why;
        }

        _ = lost.CancelAsync(); // callbacks on the pool, never on the client's thread
        ended.TrySetResult();
    }

    /// <summary>
    /// Closes the channel. The broker then takes all records back and makes another consumer active. The code that led
    /// calls this, and the journal's loop calls it too; only the first call closes the channel.
    /// </summary>
    public override async ValueTask DisposeAsync()
    {
        Task ending;
        lock (gate)
        {
            ending = closing ??= Task.Run(CloseAsync, CancellationToken.None);
        }

        await ending.ConfigureAwait(false);
    }

    async Task CloseAsync()
    {
        await occasion.DisposeAsync().ConfigureAwait(false);
        ofConnection.Unregister();
        try
        {
            if (!incarnation.Dead.IsCancellationRequested && channel.IsOpen)
            {
                // We do not cancel the consumer first: a cancelled consumer keeps its unacked records until the channel
                // is closed, and the next leader would not see these records.
                await channel.CloseAsync(200, "Goodbye", abort: false, incarnation.Dead).WaitAsync(goodbye, time).ConfigureAwait(false);
            }
        }
        catch (TimeoutException)
        {
            // The broker may go on delivering all records to this consumer while the connection lives. So we end the
            // connection.
            incarnation.Abandon($"the channel of a journal was not closed within {goodbye}");
        }
        catch (Exception)
        {
            // The channel was ending anyhow.
        }

        End("it was ended here");
        _ = channel.DisposeAsync().AsTask(); // in the background: it may wait for a silent peer
    }

    sealed class Callback(RabbitMqJournalReader reader, IChannel channel) : AsyncDefaultBasicConsumer(channel)
    {
        public override Task HandleBasicDeliverAsync(
            string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey, IReadOnlyBasicProperties properties,
            ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
        {
            try
            {
                return reader.Receive(deliveryTag, properties, body) is > 0 and var tag
                    ? reader.AcknowledgeAsync(tag)
                    : Task.CompletedTask;
            }
            catch (Exception e)
            {
                reader.End($"a record could not be taken: {e}"); // the client would swallow the exception
                return Task.CompletedTask;
            }
        }

        public override Task HandleBasicCancelAsync(string consumerTag, CancellationToken cancellationToken = default)
        {
            reader.End("the broker cancelled it: the queue was deleted, or its node went down");
            return Task.CompletedTask;
        }
    }
}
