using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace Jobs.RabbitMQ;

/// <summary>One life of a connection. Its token is what every call on the connection waits with: without it RabbitMQ.Client 7.2.2 leaves calls pending for ever.</summary>
sealed class Incarnation : IAsyncDisposable
{
    // How long a goodbye may take; a silent peer must not hold up the next connection.
    static readonly TimeSpan goodbye = TimeSpan.FromSeconds(5);

    readonly CancellationTokenSource dead = new();
    readonly SemaphoreSlim looking = new(1, 1);
    IChannel? look;
    string? blocked;

    public Incarnation(IConnection connection, InboundFrames inbound)
    {
        (Connection, Inbound) = (connection, inbound);
        Dead = dead.Token;

        // Registered before the first channel exists: channel handlers run one after another, and the first can block the rest (#1930, #1960).
        connection.ConnectionShutdownAsync += (_, reason) =>
        {
            Shutdown ??= reason;
            Reason ??= $"{reason.ReplyCode} {reason.ReplyText}";
            _ = dead.CancelAsync(); // callbacks on the pool, never on the client's thread
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

    /// <summary>Knows which deliveries lost a header that the client could not have read.</summary>
    public InboundFrames Inbound { get; }

    /// <summary>Fires when this connection is over, for whatever reason.</summary>
    public CancellationToken Dead { get; }

    public string? Reason { get; private set; }

    /// <summary>
    /// Why the broker takes no publishes now (a memory or disk alarm), or <see langword="null"/>. Changes before the handlers of the connection
    /// that were registered later are called.
    /// </summary>
    public string? Blocked => Volatile.Read(ref blocked);

    /// <summary>What the client says of its end, when it was not we who gave it up.</summary>
    public ShutdownEventArgs? Shutdown { get; private set; }

    /// <summary>Ends it now: its state is in doubt.</summary>
    public void Abandon(string reason)
    {
        Reason ??= reason;
        _ = dead.CancelAsync();
    }

    /// <summary>Runs something on a short-lived channel of its own: an error closes that and nothing else.</summary>
    public async Task<T> OnChannelAsync<T>(Func<IChannel, Task<T>> action, CancellationToken cancellationToken)
    {
        var channel = await Connection.CreateChannelAsync(null, cancellationToken).ConfigureAwait(false);
        try
        {
            return await action(channel).ConfigureAwait(false);
        }
        finally
        {
            _ = channel.DisposeAsync().AsTask(); // in the background: it may wait for a peer that is silent
        }
    }

    /// <summary>
    /// How many messages wait in a queue; over one channel that is kept for it, as watchdogs ask often. One at a time:
    /// the client counts the wait for its turn against a call's time-out (#1964).
    /// </summary>
    /// <exception cref="OperationInterruptedException">There is no such queue.</exception>
    public async Task<long> CountAsync(string queue, CancellationToken cancellationToken)
    {
        await looking.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (look is not { IsOpen: true })
            {
                look = await Connection.CreateChannelAsync(null, cancellationToken).ConfigureAwait(false);
            }

            return await look.MessageCountAsync(queue, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            // Closed by the broker when there is no such queue. After a time-out it is in doubt: a late answer would be taken for the next one's.
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
            // Real time: what is waited for is a peer, and no test moves it.
            await Connection.AbortAsync(200, "Goodbye", goodbye).WaitAsync(goodbye, TimeProvider.System).ConfigureAwait(false);
            await Connection.DisposeAsync().AsTask().WaitAsync(goodbye, TimeProvider.System).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // It was going away anyhow.
        }
    }
}
