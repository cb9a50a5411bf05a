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
sealed class RabbitJournal : JobJournal
{
    static readonly TimeSpan appendTimeout = TimeSpan.FromSeconds(30);

    readonly QueueSpec spec;
    readonly RabbitMqTransport transport;
    readonly BrokerParts parts;
    readonly Topology topology;
    readonly TimeProvider time;
    readonly BrokerConnection connection;
    readonly Channel<RabbitJournalReader> terms = Channel.CreateUnbounded<RabbitJournalReader>();
    readonly Lock gate = new();
    bool consuming;

    public RabbitJournal(QueueSpec spec, RabbitMqTransport transport, BrokerParts parts)
    {
        (this.spec, this.transport, this.parts, topology, time) = (spec, transport, parts, new(parts), parts.Time);
        connection = new("beat", parts, SessionAsync);
    }

    public override ValueTask AppendAsync(ReadOnlyMemory<byte> record, TimeSpan timeout, CancellationToken cancellationToken) =>
        AppendAsync(record, new(), timeout, cancellationToken);

    public ValueTask AppendAsync(ReadOnlyMemory<byte> record, JobHeaders headers, TimeSpan timeout, CancellationToken cancellationToken) =>
        transport.AppendAsync(
            spec,
            new() { Headers = headers, Body = record, CorrelationId = Guid.CreateVersion7(time.GetUtcNow()).ToString(), Timestamp = time.GetUtcNow().ToUnixTimeSeconds() },
            timeout,
            cancellationToken);

    public override async Task<JournalReader> LeadAsync(CancellationToken cancellationToken)
    {
        lock (gate)
        {
            if (!consuming)
            {
                connection.Start();
                consuming = true;
            }
        }

        while (true)
        {
            var reader = await terms.Reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (!reader.Lost.IsCancellationRequested)
            {
                return reader;
            }
        }
    }

    async Task SessionAsync(Incarnation incarnation, CancellationToken stop)
    {
        using var life = CancellationTokenSource.CreateLinkedTokenSource(incarnation.Dead, stop);
        await topology.DeclareAsync(incarnation, spec, life.Token).ConfigureAwait(false);
        await using var reader = await RabbitJournalReader.StartAsync(this, incarnation, spec.Name, time, life.Token).ConfigureAwait(false);

        // At once: one that stands by would otherwise be made the leader while it stops, and nobody would take its term.
        await using var stopped = stop.UnsafeRegister(_ => reader.End("this process stops"), null).ConfigureAwait(false);
        connection.SessionReady();
        var watching = WatchAsync(incarnation, reader, life.Token);
        await Task.WhenAny(reader.CaughtUp, reader.Ended).ConfigureAwait(false);
        if (reader.CaughtUp.IsCompletedSuccessfully)
        {
            terms.Writer.TryWrite(reader);
        }

        await reader.Ended.ConfigureAwait(false);
        incarnation.Abandon(reader.LostReason); // the next term begins on a new connection
        await watching.ConfigureAwait(false);
    }

    /// <summary>Writes the first record, and then asks from time to time whether this consumer still gets what it has to get.</summary>
    async Task WatchAsync(Incarnation incarnation, RabbitJournalReader reader, CancellationToken life)
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

                await Task.WhenAny(reader.Ended, Task.Delay(parts.Options.WatchdogInterval, time, life)).ConfigureAwait(false);
                if (reader.Ended.IsCompleted || life.IsCancellationRequested)
                {
                    return;
                }

                // Records wait and nobody gets them: the broker believes that this consumer has them, or has lost the active one (#15473). Or it began to read and does not come to an end.
                var waiting = await incarnation.OnChannelAsync(channel => channel.MessageCountAsync(spec.Name, life), life).ConfigureAwait(false);
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
                // The connection to publish has a problem of its own; this one is watched on.
            }
            catch (Exception e)
            {
                reader.End($"the watchdog cannot see its queue: {e.Message}");
            }
        }
    }

    public override ValueTask DisposeAsync() => connection.DisposeAsync();
}
