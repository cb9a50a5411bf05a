using System.Threading.Channels;
using Jobs.Transport;
using Jobs.Wire;

namespace Jobs.RabbitMQ;

/// <summary>
/// A journal in one quorum queue with a single active consumer. The broker delivers to one process at a time, and that
/// process is the leader. The leader holds the records unacknowledged until it has written a snapshot of them.
/// </summary>
/// <remarks>
/// 1. Every process that wants to lead consumes the queue. The process also publishes an empty record, so that the
/// broker has something to deliver.
/// 2. The broker delivers all records to one of these processes. This includes the records that a former leader held:
/// the broker put them back into the queue when the former leader's channel ended.
/// 3. A process learns from its first record that it is the active consumer. It then publishes a mark. When the mark
/// comes back, the process has read every record before the mark, and leads.
/// 4. When the leader's channel ends, the broker makes another process active within milliseconds. When the leader's
/// machine is silent, the broker needs two to three heartbeats.
/// </remarks>
sealed class RabbitMqJournal : JobJournal
{
    static readonly TimeSpan appendTimeout = TimeSpan.FromSeconds(30);

    // After a term of this length, the pause before the next term begins again at its shortest.
    static readonly TimeSpan healthy = TimeSpan.FromSeconds(30);

    // A leader answers a question within milliseconds.
    static readonly TimeSpan answerTimeout = TimeSpan.FromSeconds(2);

    readonly QueueSpec spec;
    readonly RabbitMqTransport transport;
    readonly BrokerParts parts;
    readonly TimeProvider time;
    readonly Channel<RabbitMqJournalReader> terms = Channel.CreateUnbounded<RabbitMqJournalReader>();
    readonly Lock gate = new();
    readonly SemaphoreSlim wanted = new(0, 1);
    readonly CancellationTokenSource stopping = new();
    Task? leading;
    volatile bool unanswered; // the last question; perhaps the queue is gone

    public RabbitMqJournal(QueueSpec spec, RabbitMqTransport transport, BrokerParts parts) =>
        (this.spec, this.transport, this.parts, time) = (spec, transport, parts, parts.Time);

    public override ValueTask AppendAsync(ReadOnlyMemory<byte> record, TimeSpan timeout, CancellationToken cancellationToken) =>
        AppendAsync(record, new(), timeout, cancellationToken);

    public ValueTask AppendAsync(ReadOnlyMemory<byte> record, JobHeaders headers, TimeSpan timeout, CancellationToken cancellationToken) =>
        Side().PublishAsync(
            new(spec.Name, new()
            {
                Headers = headers,
                Body = record,
                CorrelationId = Guid.CreateVersion7(time.GetUtcNow()).ToString(),
                Timestamp = time.GetUtcNow().ToUnixTimeSeconds(),
            }),
            timeout,
            cancellationToken);

    public override async Task<JournalReader> LeadAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Want();
            var reader = await terms.Reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (!reader.Lost.IsCancellationRequested)
            {
                return reader;
            }
        }
    }

    public override async Task<ReadOnlyMemory<byte>?> AskAsync(ReadOnlyMemory<byte> question, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, stopping.Token);
        try
        {
            var side = Side();
            var incarnation = await side.ConnectedAsync(stop.Token).ConfigureAwait(false);
            using var life = CancellationTokenSource.CreateLinkedTokenSource(incarnation.Dead, stop.Token);
            if (unanswered || !side.Topology.Knows(spec.Name, delayed: false))
            {
                // The declaration opens a connection of its own, so we declare only when the queue may be missing.
                await side.Topology.EnsureAsync(incarnation, spec.Name, delayed: false, takeForeign: false, life.Token).ConfigureAwait(false);
            }

            unanswered = true;
            var answer = await JournalQuestion.AskAsync(incarnation, spec.Name, question, answerTimeout, time, life.Token).ConfigureAwait(false);
            unanswered = false;
            return answer;
        }
        catch (Exception e) when (!stop.IsCancellationRequested && e is not (JobTransportException { IsTransient: false } or ObjectDisposedException))
        {
            return null; // nobody answered in time, or the connection ended
        }
    }

    void Want()
    {
        lock (gate)
        {
            if (wanted.CurrentCount == 0)
            {
                wanted.Release();
            }

            using (ExecutionContext.SuppressFlow()) // the loop outlives this call
            {
                leading ??= Task.Run(TermsAsync, CancellationToken.None);
            }
        }
    }

    Publisher Side()
    {
        var side = transport.Side();
        side.Topology.Introduce(spec);
        return side;
    }

    /// <summary>
    /// Runs one term after the other. Each term has its own channel, because other code uses the connection too. A term
    /// begins only while somebody in this process asks to lead. Otherwise the broker could make this process the leader
    /// again at once, and nobody would take the term.
    /// </summary>
    async Task TermsAsync()
    {
        var (failures, refused, due) = (0, false, false);
        while (!stopping.IsCancellationRequested)
        {
            var started = time.GetTimestamp();
            Incarnation? incarnation = null;
            try
            {
                if (!due)
                {
                    await wanted.WaitAsync(stopping.Token).ConfigureAwait(false);
                    due = true;
                }

                var side = Side();
                incarnation = await side.ConnectedAsync(stopping.Token).ConfigureAwait(false);
                due = !await TermAsync(side.Topology, incarnation, Standing).ConfigureAwait(false);
                failures = time.GetElapsedTime(started) > healthy ? 1 : failures + 1;
            }
            catch (Exception) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                failures++;
                if (!refused && incarnation is { Dead.IsCancellationRequested: false }) // a lost connection has its own log line
                {
                    refused = true;
                    Log.JournalRefused(parts.Logger, spec.Name, e.Message.TrimEnd('.'));
                }
            }

            await Task.Delay(ReconnectBackOff.After(failures, parts.Random), time, stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        void Standing()
        {
            if (refused)
            {
                refused = false;
                Log.JournalRegained(parts.Logger, spec.Name);
            }
        }
    }

    /// <returns>Whether this process led.</returns>
    async Task<bool> TermAsync(Topology topology, Incarnation incarnation, Action standing)
    {
        using var life = CancellationTokenSource.CreateLinkedTokenSource(incarnation.Dead, stopping.Token);
        await topology.EnsureAsync(incarnation, spec.Name, delayed: false, takeForeign: false, life.Token).ConfigureAwait(false);
        await using var reader = await RabbitMqJournalReader.StartAsync(this, incarnation, spec.Name, time, life.Token).ConfigureAwait(false);

        // When this process stops, the reader must end at once. Otherwise the broker could make this process the leader
        // during the stop, and nobody would take the term.
        await using var stopped = stopping.Token.UnsafeRegister(_ => reader.End("this process stops"), null).ConfigureAwait(false);
        standing();
        var watching = WatchAsync(incarnation, reader);
        await Task.WhenAny(reader.CaughtUp, reader.Ended).ConfigureAwait(false);
        if (reader.CaughtUp.IsCompletedSuccessfully)
        {
            terms.Writer.TryWrite(reader);
        }

        await reader.Ended.ConfigureAwait(false);
        await watching.ConfigureAwait(false);
        return reader.CaughtUp.IsCompletedSuccessfully;
    }

    /// <summary>
    /// Writes the first record. Then checks from time to time whether the broker still delivers the records to this
    /// consumer.
    /// </summary>
    async Task WatchAsync(Incarnation incarnation, RabbitMqJournalReader reader)
    {
        var (quiet, late, written) = (0, 0, false);
        var received = reader.Received;
        while (!reader.Ended.IsCompleted)
        {
            try
            {
                // The broker needs a record to deliver: without one, no process would learn that it leads. We try until
                // the write succeeds, because the broker may block for a while, for example.
                if (!written)
                {
                    await AppendAsync(default, appendTimeout, reader.Lost).ConfigureAwait(false);
                    written = true;
                }
                else if (reader.CaughtUp.IsCompletedSuccessfully)
                {
                    // When only the link between two nodes breaks, nobody tells a former leader that another process
                    // leads. But the marks of the former leader no longer come back to it. While many records wait
                    // before the mark, it is enough that they come.
                    var before = reader.Received;
                    if (!await reader.SeesItsMarkAsync(parts.Options.WatchdogInterval).ConfigureAwait(false) && reader.Received == before && !reader.IsFull)
                    {
                        reader.End($"its own mark did not come back within {parts.Options.WatchdogInterval}");
                    }
                }

                await Task.WhenAny(reader.Ended, Task.Delay(parts.Options.WatchdogInterval, time, reader.Lost)).ConfigureAwait(false);
                if (reader.Ended.IsCompleted || reader.Lost.IsCancellationRequested)
                {
                    return;
                }

                // Quiet: records wait in the queue, and the broker delivers none here. The broker believes that this
                // consumer has the records, or has lost the active consumer (#15473). Late: this consumer began to
                // read, its mark has not come back, and nothing else comes. A consumer that still gets records is
                // not late, however many there are.
                var waiting = await incarnation.CountAsync(spec.Name, reader.Lost).ConfigureAwait(false);
                var progress = reader.Received != received || reader.IsFull;
                quiet = waiting > 0 && !progress ? quiet + 1 : 0;
                late = reader.Received > 0 && !reader.CaughtUp.IsCompleted && !progress ? late + 1 : 0;
                received = reader.Received;
                if (quiet == 2 || late == 2)
                {
                    var patience = parts.Options.WatchdogInterval * 2;
                    reader.End(quiet == 2
                        ? $"{waiting} records wait and none was delivered for {patience}"
                        : $"it got nothing for {patience}, and has not read everything");
                }
            }
            catch (JobPublishException e) when (e.IsTransient)
            {
                // The record or the mark could not be published. This says nothing about who leads, so we go on
                // watching.
            }
            catch (Exception e)
            {
                reader.End($"the watchdog cannot see its queue: {e.Message}");
            }
        }
    }

    public override async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync().ConfigureAwait(false);
        await (leading ?? Task.CompletedTask).ConfigureAwait(false);
    }
}
