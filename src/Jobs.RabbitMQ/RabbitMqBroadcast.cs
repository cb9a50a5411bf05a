using Jobs.Transport;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace Jobs.RabbitMQ;

/// <summary>
/// Sends events to Celery's topic exchange, over the side connection, and without confirms: nobody waits for an event,
/// and an event that is lost is no harm.
/// </summary>
/// <remarks>
/// 1. A message waits in a bounded queue. The first one starts the loop below.
/// 2. The loop waits for the connection, makes sure that the exchange exists, opens a channel and writes.
/// 3. When the channel or the connection ends, the loop begins anew. What the broker had not taken is lost.
/// 4. A refusal is logged once. Until the next connection, messages are thrown away without being counted: nobody could
/// do anything about each of them.
/// While the broker blocks the connection, events are dropped and not written: written ones would fill the socket, and
/// hold up what else goes over the connection when the alarm is over.
/// </remarks>
sealed class RabbitMqBroadcast(RabbitMqTransport transport, BrokerParts parts) : JobBroadcast, IAsyncDisposable
{
    const int SureAfter = 10;

    static readonly TimeSpan goodbye = TimeSpan.FromSeconds(2);

    readonly BroadcastQueue queue = new();
    readonly CancellationTokenSource stopping = new();
    readonly Lock gate = new();
    readonly HashSet<RabbitMqListener> listeners = [];
    Task? running;
    volatile bool isOff;
    volatile bool isPumping;
    bool hasSaidOff;
    int sinceOff; // how many messages were written since
    bool isClosed;

    public override long Dropped => queue.Dropped;

    public override void Send(BroadcastMessage message)
    {
        if (isOff)
        {
            return;
        }

        queue.Add(message);
        if (Volatile.Read(ref running) is null)
        {
            Start();
        }
    }

    public override async Task<BroadcastSubscription> ListenAsync(string pattern, CancellationToken cancellationToken)
    {
        var listener = new RabbitMqListener(transport, parts, pattern, ended => Forget(ended));
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(isClosed, this);
            listeners.Add(listener);
        }

        try
        {
            await listener.StartAsync().WaitAsync(cancellationToken).ConfigureAwait(false);
            return listener;
        }
        catch
        {
            await listener.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        RabbitMqListener[] left;
        lock (gate)
        {
            isClosed = true;
            left = [.. listeners];
        }

        foreach (var listener in left)
        {
            await listener.DisposeAsync().ConfigureAwait(false);
        }

        // The last events, such as the worker's goodbye, go out if the broker is there.
        queue.Complete();
        if (isPumping)
        {
            await running!.WaitAsync(goodbye, parts.Time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await stopping.CancelAsync().ConfigureAwait(false);
        await (running ?? Task.CompletedTask).ConfigureAwait(false);
    }

    void Start()
    {
        lock (gate)
        {
            using (ExecutionContext.SuppressFlow()) // it outlives the job that sends the first event
            {
                running ??= isClosed ? null : Task.Run(RunAsync, CancellationToken.None);
            }
        }
    }

    void Forget(RabbitMqListener listener)
    {
        lock (gate)
        {
            listeners.Remove(listener);
        }
    }

    async Task RunAsync()
    {
        var failures = 0;
        while (!stopping.IsCancellationRequested)
        {
            Incarnation? incarnation = null;
            try
            {
                var side = transport.Side();
                incarnation = await side.ConnectedAsync(stopping.Token).ConfigureAwait(false);
                using var life = CancellationTokenSource.CreateLinkedTokenSource(incarnation.Dead, stopping.Token);
                await side.Topology.EnsureEventExchangeAsync(incarnation, life.Token).ConfigureAwait(false);
                if (await PumpAsync(incarnation, life.Token, sent: () => failures = 0).ConfigureAwait(false))
                {
                    return; // all is sent, and no more comes
                }
            }
            catch (Exception) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (JobTransportException e) when (!e.IsTransient && incarnation is not null)
            {
                await OffAsync(incarnation, e.Message).ConfigureAwait(false);
            }
            catch (Exception) when (incarnation?.Dead.IsCancellationRequested != false)
            {
                // The connection is lost, or refused, which the connection itself says.
            }
            catch (Exception e)
            {
                Say(e.Message); // the loop tries again; what waits meanwhile is bounded
            }

            var pause = ReconnectBackOff.After(++failures, parts.Random);
            await Task.Delay(pause, parts.Time, stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <returns>Whether no more comes; otherwise the channel is over.</returns>
    /// <exception cref="JobTransportException">The broker refuses for good.</exception>
    async Task<bool> PumpAsync(Incarnation incarnation, CancellationToken life, Action sent)
    {
        var over = new CancellationTokenSource(); // never disposed: the channel may end after this method
        using var both = CancellationTokenSource.CreateLinkedTokenSource(life, over.Token);
        var channel = await incarnation.Connection.CreateChannelAsync(new(false, false, null, 1), life).ConfigureAwait(false);
        ShutdownEventArgs? closed = null;
        channel.ChannelShutdownAsync += (_, reason) =>
        {
            closed = reason;
            return over.CancelAsync();
        };
        isPumping = true;
        try
        {
            while (await queue.NextAsync(both.Token).ConfigureAwait(false) is { } message)
            {
                if (message.SendBy < parts.Time.GetUtcNow())
                {
                    continue; // an old heartbeat is no loss
                }

                if (incarnation.Blocked is not null)
                {
                    queue.Drop(message);
                    continue;
                }

                await channel.BasicPublishAsync(
                    parts.Options.EventExchange, message.Topic, mandatory: false, Properties(message), message.Body, both.Token).ConfigureAwait(false);
                SaySent();
                sent();
            }

            await channel.CloseAsync(both.Token).ConfigureAwait(false); // the broker answers when it has taken what was written before
            return true;
        }
        catch (Exception) when (closed is { ReplyCode: Constants.AccessRefused } refusal)
        {
            throw new JobTransportException(
                $"The user may not write to exchange '{parts.Options.EventExchange}': {refusal.ReplyText}. Grant 'write', or set Jobs:Events to Off");
        }
        catch (Exception) when (closed is not null && !life.IsCancellationRequested)
        {
            return false; // the exchange was deleted, for example
        }
        finally
        {
            isPumping = false;
            _ = channel.DisposeAsync().AsTask(); // in the background: it may wait for a silent peer
        }
    }

    // As Celery's: not persistent, and with the name of the sender.
    static BasicProperties Properties(BroadcastMessage message) => new()
    {
        ContentType = Wire.JobMessage.Json,
        ContentEncoding = "utf-8",
        DeliveryMode = DeliveryModes.Transient,
        Priority = 0,
        Headers = new Dictionary<string, object?> { ["hostname"] = message.Sender },
    };

    async Task OffAsync(Incarnation incarnation, string problem)
    {
        Say(problem);
        isOff = true;
        while (queue.TryTake() is not null)
        {
        }

        using var life = CancellationTokenSource.CreateLinkedTokenSource(incarnation.Dead, stopping.Token);
        await Task.Delay(Timeout.InfiniteTimeSpan, parts.Time, life.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        isOff = false;
    }

    void Say(string problem)
    {
        if (!hasSaidOff)
        {
            hasSaidOff = true;
            Log.EventsOff(parts.Logger, problem.TrimEnd('.'));
        }
    }

    // A refused write shows only when the broker closes the channel. So one message that was written proves nothing,
    // and the line waits for more of them.
    void SaySent()
    {
        if (hasSaidOff && ++sinceOff > SureAfter)
        {
            (hasSaidOff, sinceOff) = (false, 0);
            Log.EventsOn(parts.Logger);
        }
    }
}
