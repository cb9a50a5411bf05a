using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace Jobs.RabbitMQ;

/// <summary>One life of a connection.</summary>
/// <remarks>
/// Every call on the connection must wait with <see cref="Dead"/>. Without that token, RabbitMQ.Client 7.2.2 leaves
/// calls pending for ever.
/// </remarks>
sealed class Incarnation : IAsyncDisposable
{
    // How long a goodbye may take. A silent peer must not hold up the end of a connection for longer.
    static readonly TimeSpan goodbye = TimeSpan.FromSeconds(5);

    readonly CancellationTokenSource dead = new();
    readonly SemaphoreSlim looking = new(1, 1);
    IChannel? look;
    string? blocked;

    public Incarnation(IConnection connection, InboundFrames inbound)
    {
        (Connection, Inbound) = (connection, inbound);
        Dead = dead.Token;

        // This handler is registered before the first channel exists. The handlers of channels run one after another,
        // and the first can block the rest (#1930, #1960).
        connection.ConnectionShutdownAsync += (_, reason) =>
        {
            Shutdown ??= reason;
            Reason ??= $"{reason.ReplyCode} {reason.ReplyText}";
            _ = dead.CancelAsync(); // runs callbacks on the pool, never on the client's thread
            return Task.CompletedTask;
        };
        connection.ConnectionBlockedAsync += (_, e) => SetBlocked(e.Reason);
        connection.ConnectionUnblockedAsync += (_, _) => SetBlocked(null);
        if (!connection.IsOpen)
        {
            _ = dead.CancelAsync();
        }

        Task SetBlocked(string? reason)
        {
            Volatile.Write(ref blocked, reason);
            return Task.CompletedTask;
        }
    }

    public IConnection Connection { get; }

    /// <summary>Knows which deliveries lost a header that the client cannot read.</summary>
    public InboundFrames Inbound { get; }

    /// <summary>Fires when this connection is over, whatever the reason.</summary>
    public CancellationToken Dead { get; }

    public string? Reason { get; private set; }

    /// <summary>
    /// Why the broker takes no publishes now (a memory or disk alarm); <see langword="null"/> when it takes them. This
    /// property changes before the client calls the block handlers that were registered later.
    /// </summary>
    public string? Blocked => Volatile.Read(ref blocked);

    /// <summary>
    /// Why the connection ended, as the client says; <see langword="null"/> when we gave the connection up ourselves.
    /// </summary>
    public ShutdownEventArgs? Shutdown { get; private set; }

    /// <summary>Ends this incarnation now, because the state of its connection is in doubt.</summary>
    public void Abandon(string reason)
    {
        Reason ??= reason;
        _ = dead.CancelAsync();
    }

    /// <summary>
    /// Runs an action on a short-lived channel of its own. An error closes that channel and nothing else.
    /// </summary>
    public async Task<T> OnChannelAsync<T>(Func<IChannel, Task<T>> action, CancellationToken cancellationToken)
    {
        var channel = await Connection.CreateChannelAsync(null, cancellationToken).ConfigureAwait(false);
        try
        {
            return await action(channel).ConfigureAwait(false);
        }
        finally
        {
            _ = channel.DisposeAsync().AsTask(); // in the background: it may wait for a silent peer
        }
    }

    /// <summary>How many messages wait in a queue.</summary>
    /// <exception cref="OperationInterruptedException">There is no such queue.</exception>
    public async Task<long> CountAsync(string queue, CancellationToken cancellationToken) =>
        (await LookAsync(queue, cancellationToken).ConfigureAwait(false)).MessageCount;

    /// <summary>
    /// How many messages wait in a queue, and how many consumers it has. One channel is kept for these calls, because watchdogs ask often. The calls
    /// run one at a time: the client would count the wait for a turn against the time-out of a call (#1964).
    /// </summary>
    /// <exception cref="OperationInterruptedException">There is no such queue.</exception>
    public async Task<QueueDeclareOk> LookAsync(string queue, CancellationToken cancellationToken)
    {
        await looking.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (look is not { IsOpen: true })
            {
                look = await Connection.CreateChannelAsync(null, cancellationToken).ConfigureAwait(false);
            }

            return await look.QueueDeclarePassiveAsync(queue, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            // The broker closes the channel when there is no such queue. After a time-out the channel is in doubt: the
            // next call could take a late answer for its own.
            _ = look?.DisposeAsync().AsTask();
            look = null;
            throw;
        }
        finally
        {
            looking.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await dead.CancelAsync().ConfigureAwait(false);
        try
        {
            // Real time, because this waits for a peer, and a test's clock does not move a peer.
            await Connection.AbortAsync(200, "Goodbye", goodbye).WaitAsync(goodbye, TimeProvider.System).ConfigureAwait(false);
            await Connection.DisposeAsync().AsTask().WaitAsync(goodbye, TimeProvider.System).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // The connection is over anyhow.
        }
    }
}
