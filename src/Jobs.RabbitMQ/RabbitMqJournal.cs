using System.Threading.Channels;
using Jobs.Transport;
using Jobs.Wire;

namespace Jobs.RabbitMQ;

/// <summary>A journal in one quorum queue with a single active consumer: who gets its messages leads. They stay unacknowledged in the leader's hands until it has written a snapshot of them.</summary>
/// <remarks>
/// 1. Every process that wants to lead consumes, and publishes an empty record, so that there is something to get. 2. The broker gives all messages to one of them, also those
/// that a former leader had in its hands: when its channel ends they go back to the queue. 3. With the first message a process knows that it is active; it publishes a mark, and when that has come
/// back it has read everything. 4. When its channel ends, the broker makes another one active, within milliseconds; when its machine is silent, after 2 to 3 heartbeats.
/// </remarks>
sealed class RabbitMqJournal : JobJournal
{
    static readonly TimeSpan appendTimeout = TimeSpan.FromSeconds(30);

    // A term of this length was a good one: the pause before the next begins small again.
    static readonly TimeSpan healthy = TimeSpan.FromSeconds(30);

    // A reader that is there answers within milliseconds.
    static readonly TimeSpan answerTimeout = TimeSpan.FromSeconds(2);
    static readonly TimeSpan pauseBetweenQuestions = TimeSpan.FromMilliseconds(100);

    readonly QueueSpec spec;
    readonly RabbitMqTransport transport;
    readonly BrokerParts parts;
    readonly TimeProvider time;
    readonly Channel<RabbitMqJournalReader> terms = Channel.CreateUnbounded<RabbitMqJournalReader>();
    readonly Lock gate = new();
    readonly SemaphoreSlim wanted = new(0, 1);
    readonly CancellationTokenSource stopping = new();
    Task? leading;

    public RabbitMqJournal(QueueSpec spec, RabbitMqTransport transport, BrokerParts parts) =>
        (this.spec, this.transport, this.parts, time) = (spec, transport, parts, parts.Time);

    public override ValueTask AppendAsync(ReadOnlyMemory<byte> record, TimeSpan timeout, CancellationToken cancellationToken) =>
        AppendAsync(record, new(), timeout, cancellationToken);

    public ValueTask AppendAsync(ReadOnlyMemory<byte> record, JobHeaders headers, TimeSpan timeout, CancellationToken cancellationToken) =>
        Side().PublishAsync(
            new(spec.Name, new() { Headers = headers, Body = record, CorrelationId = Guid.CreateVersion7(time.GetUtcNow()).ToString(), Timestamp = time.GetUtcNow().ToUnixTimeSeconds() }),
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

    /// <summary>
    /// Asks the reader for its records. If there is none, this process becomes the reader for a moment: with a journal of
    /// its own, because whoever wants to lead with this one must take the term, or no beat would get it.
    /// </summary>
    public override async Task<IReadOnlyList<ReadOnlyMemory<byte>>> ReadAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(timeout, time);
        using var first = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token, stopping.Token);
        var (asking, leading) = (AskAsync(first.Token), LeadForAMomentAsync(first.Token));
        try
        {
            return await (await Task.WhenAny(asking, leading).ConfigureAwait(false)).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new JobTransportException($"{spec.Name} could not be read within {timeout}: no beat answered, and the broker made this process no reader. Is RabbitMQ reachable?", isTransient: true);
        }
        finally
        {
            await first.CancelAsync().ConfigureAwait(false);
            await ((Task)Task.WhenAll(asking, leading)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Again and again, because a reader may die with the question in its hands.</summary>
    async Task<IReadOnlyList<ReadOnlyMemory<byte>>> AskAsync(CancellationToken stop)
    {
        while (true)
        {
            try
            {
                var side = Side();
                var incarnation = await side.ConnectedAsync(stop).ConfigureAwait(false);
                using var life = CancellationTokenSource.CreateLinkedTokenSource(incarnation.Dead, stop);
                await side.Topology.EnsureAsync(incarnation, spec.Name, delayed: false, takeForeign: false, life.Token).ConfigureAwait(false);
                return await JournalQuestion.AskAsync(incarnation, spec.Name, answerTimeout, time, life.Token).ConfigureAwait(false);
            }
            catch (Exception) when (!stop.IsCancellationRequested)
            {
                // No answer, or no broker: the caller has a deadline.
            }

            await Task.Delay(pauseBetweenQuestions, time, stop).ConfigureAwait(false);
        }
    }

    async Task<IReadOnlyList<ReadOnlyMemory<byte>>> LeadForAMomentAsync(CancellationToken stop)
    {
        await Task.Delay(answerTimeout, time, stop).ConfigureAwait(false);
        await using var own = new RabbitMqJournal(spec, transport, parts);
        await using var reader = await own.LeadAsync(stop).ConfigureAwait(false);
        return reader.Backlog;
    }

    void Want()
    {
        lock (gate)
        {
            if (wanted.CurrentCount == 0)
            {
                wanted.Release();
            }

            using (ExecutionContext.SuppressFlow()) // it outlives this call
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
    /// One term after the other, each on a channel of its own: the end of one says nothing about the connection, which
    /// others use too. Only while somebody here asks to lead:
    /// this process would otherwise be made the leader again at once, and nobody would take its term.
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
                if (!refused && incarnation is { Dead.IsCancellationRequested: false }) // else the connection has a line of its own
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

        // At once: one that stands by would otherwise be made the leader while it stops, and nobody would take its term.
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

    /// <summary>Writes the first record, and then asks from time to time whether this consumer still gets what it has to get.</summary>
    async Task WatchAsync(Incarnation incarnation, RabbitMqJournalReader reader)
    {
        var (quiet, late, written) = (0, 0, false);
        var received = reader.Received;
        while (!reader.Ended.IsCompleted)
        {
            try
            {
                // Something to get, or nobody would learn that it leads. Tried again until it succeeds: while the broker blocks, for example.
                if (!written)
                {
                    await AppendAsync(default, appendTimeout, reader.Lost).ConfigureAwait(false);
                    written = true;
                }
                else if (reader.CaughtUp.IsCompletedSuccessfully)
                {
                    // A leader that was deposed hears nothing of it when only the link between two nodes broke: but its own marks do not come back to it.
                    if (!await reader.SeesItsMarkAsync(parts.Options.WatchdogInterval).ConfigureAwait(false))
                    {
                        reader.End($"its own mark did not come back within {parts.Options.WatchdogInterval}");
                    }
                }

                await Task.WhenAny(reader.Ended, Task.Delay(parts.Options.WatchdogInterval, time, reader.Lost)).ConfigureAwait(false);
                if (reader.Ended.IsCompleted || reader.Lost.IsCancellationRequested)
                {
                    return;
                }

                // Records wait and nobody gets them: the broker believes that this consumer has them, or has lost the active one (#15473). Or it began to read and does not come to an end.
                var waiting = await incarnation.CountAsync(spec.Name, reader.Lost).ConfigureAwait(false);
                quiet = waiting > 0 && reader.Received == received ? quiet + 1 : 0;
                late = reader.Received > 0 && !reader.CaughtUp.IsCompleted ? late + 1 : 0;
                received = reader.Received;
                if (quiet == 2 || late == 2)
                {
                    reader.End(quiet == 2 ? $"{waiting} records wait and none was delivered for {parts.Options.WatchdogInterval * 2}" : $"it could not read everything within {parts.Options.WatchdogInterval * 2}");
                }
            }
            catch (JobPublishException e) when (e.IsTransient)
            {
                // It is told to whoever appends; who leads is watched on.
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
