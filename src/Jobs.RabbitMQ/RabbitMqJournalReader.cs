using System.Text;
using System.Threading.Channels;
using Jobs.Transport;
using Jobs.Wire;
using RabbitMQ.Client;

namespace Jobs.RabbitMQ;

/// <summary>One consumer of a journal, from its first message to the end of its channel.</summary>
sealed class RabbitMqJournalReader : JournalReader
{
    const int Many = 64;
    static readonly TimeSpan appendTimeout = TimeSpan.FromSeconds(30);
    static readonly TimeSpan goodbye = TimeSpan.FromSeconds(5);

    // After this time the leader replaces the records that it holds by a snapshot. Records that stay unacknowledged for
    // longer could reach the broker's consumer time-out (30 minutes by default), and keep the broker from truncating
    // the queue's log.
    static readonly TimeSpan old = TimeSpan.FromMinutes(5);

    // The broker delivers at most this many records before an ack, and some room must be left for marks. When the queue
    // has more records than fit, the term begins before all are read. The first snapshot then acks those that were
    // read, and the broker delivers the rest.
    const ushort Prefetch = 20_000;
    const int Room = 64;

    readonly RabbitMqJournal journal;
    readonly Incarnation incarnation;
    readonly IChannel channel;
    readonly TimeProvider time;
    readonly Lock gate = new();
    readonly List<ReadOnlyMemory<byte>> backlog = [];
    // Tags of the backlog's records without a body: marks, questions, and those that only make the broker deliver.
    readonly List<ulong> empty = [];

    // The records that an answer to a question holds, in order: those that the broker delivered and no snapshot has
    // replaced yet. When a snapshot replaces records, the broker may not have delivered all parts of the snapshot
    // yet. Until it does, those parts are here with tag 0, so that no answer lacks them.
    readonly List<(ulong Tag, ReadOnlyMemory<byte> Record)> held = [];
    readonly Channel<(ulong Tag, ReadOnlyMemory<byte> Record)> arriving = Channel.CreateUnbounded<(ulong, ReadOnlyMemory<byte>)>();
    readonly CancellationTokenSource lost = new();
    readonly TaskCompletionSource caughtUp = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly ITimer occasion;
    CancellationTokenRegistration ofConnection;
    Task? closing;
    string mark = "";
    TaskCompletionSource markSeen = new(TaskCreationOptions.RunContinuationsAsynchronously);
    ulong acked;
    ulong read;
    long since;
    string? reason;

    RabbitMqJournalReader(RabbitMqJournal journal, Incarnation incarnation, IChannel channel, TimeProvider time)
    {
        (this.journal, this.incarnation, this.channel, this.time) = (journal, incarnation, channel, time);
        Lost = lost.Token;
        since = time.GetTimestamp();
        occasion = time.CreateTimer(_ => arriving.Writer.TryWrite((0, default)), null, old, old);
    }

    public override IReadOnlyList<ReadOnlyMemory<byte>> Backlog => backlog;

    public override CancellationToken Lost { get; }

    public override string LostReason => reason ?? "it is not lost";

    public override bool ShouldCompact => read - acked > Many || (read > acked && time.GetElapsedTime(since) >= old);

    /// <summary>Ends when this process is the active consumer and has read everything.</summary>
    public Task CaughtUp => caughtUp.Task;

    /// <summary>Whether <see cref="Backlog"/> is the whole journal, which may be longer than one consumer can hold.</summary>
    public bool HasReadAll { get; private set; }

    /// <summary>Ends when this consumer gets no more records; never fails.</summary>
    public Task Ended => ended.Task;

    public long Received { get; private set; }

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

    public override async ValueTask<ReadOnlyMemory<byte>> NextAsync(CancellationToken cancellationToken)
    {
        using var both = CancellationTokenSource.CreateLinkedTokenSource(Lost, cancellationToken);
        var (tag, record) = await arriving.Reader.ReadAsync(both.Token).ConfigureAwait(false);
        read = Math.Max(read, tag);
        return record;
    }

    public override async ValueTask CompactAsync(IReadOnlyList<ReadOnlyMemory<byte>> snapshot, CancellationToken cancellationToken)
    {
        var upTo = read;
        var now = time.GetTimestamp();
        foreach (var part in snapshot)
        {
            await journal.AppendAsync(part, appendTimeout, cancellationToken).ConfigureAwait(false);
        }

        // Checkpoint: a crash here leaves the snapshot and the records that it replaces. Merging both gives the same
        // state.
        try
        {
            await channel.BasicAckAsync(upTo, multiple: true, incarnation.Dead).ConfigureAwait(false);
            (acked, since) = (upTo, now);
            lock (gate)
            {
                held.RemoveAll(one => one.Tag <= upTo);
                held.InsertRange(0, snapshot.Where(part => !held.Exists(one => Same(one.Record, part))).Select(part => (0ul, part)));
            }
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            End(e.Message);
        }
    }

    /// <summary>
    /// Removes the marks and questions from the queue that this reader found there. A reader that compacts does not
    /// call this, because a snapshot removes them too.
    /// </summary>
    public async Task ForgetEmptyAsync(CancellationToken cancellationToken)
    {
        foreach (var tag in empty)
        {
            await channel.BasicAckAsync(tag, multiple: false, cancellationToken).ConfigureAwait(false);
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

    void Receive(ulong tag, IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body)
    {
        var record = (ReadOnlyMemory<byte>)body.ToArray();
        var markHere = properties.Headers?.TryGetValue(WireHeaders.Mark, out var value) == true && value is byte[] bytes
            ? Encoding.ASCII.GetString(bytes)
            : null;
        lock (gate)
        {
            if (Received++ == 0)
            {
                _ = FirstMarkAsync();
            }

            if (!record.IsEmpty)
            {
                if (held is [(0, _), ..])
                {
                    held.RemoveAll(one => one.Tag == 0 && Same(one.Record, record));
                }

                held.Add((tag, record));
            }
            else if (!caughtUp.Task.IsCompleted)
            {
                empty.Add(tag);
            }

            if (properties.ReplyTo is { } asker && properties.Headers?.ContainsKey(WireHeaders.Ask) == true && caughtUp.Task.IsCompleted)
            {
                _ = AnswerAsync(asker, [.. held.Select(one => one.Record)]);
            }

            if (markHere is not null && markHere == mark)
            {
                markSeen.TrySetResult();
            }

            if (caughtUp.Task.IsCompleted)
            {
                arriving.Writer.TryWrite((tag, record));
                return;
            }

            backlog.Add(record);
            read = tag;
            if (markSeen.Task.IsCompleted || backlog.Count == Prefetch - Room)
            {
                HasReadAll = markSeen.Task.IsCompleted;
                caughtUp.TrySetResult();
            }
        }
    }

    static bool Same(ReadOnlyMemory<byte> one, ReadOnlyMemory<byte> other) => one.Span.SequenceEqual(other.Span);

    // Runs outside the client's callback, for the same reason as FirstMarkAsync.
    async Task AnswerAsync(string asker, IReadOnlyList<ReadOnlyMemory<byte>> records)
    {
        await Task.Yield();
        await JournalQuestion.AnswerAsync(incarnation, asker, records, Lost).ConfigureAwait(false);
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
                reader.Receive(deliveryTag, properties, body);
            }
            catch (Exception e)
            {
                reader.End($"a record could not be taken: {e}"); // the client would swallow the exception
            }

            return Task.CompletedTask;
        }

        public override Task HandleBasicCancelAsync(string consumerTag, CancellationToken cancellationToken = default)
        {
            reader.End("the broker cancelled it: the queue was deleted, or its node went down");
            return Task.CompletedTask;
        }
    }
}
