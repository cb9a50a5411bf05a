using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Jobs.Sqlite;

/// <summary>Wakes the other processes that use the file: one byte to a socket beside the sessions' files.</summary>
/// <remarks>
/// A process with a worker listens. Whoever commits something connects once, and then sends a byte after each commit.
/// When a connection ends, its process may have died, which is the moment to look for dead sessions. A byte that gets
/// lost does no harm: every process also looks by itself each second.
/// </remarks>
sealed class Doorbell : IAsyncDisposable
{
    static readonly byte[] ring = [1];

    readonly string path;
    readonly Action rung;
    readonly Action ended;
    readonly ILogger logger;
    static readonly TimeSpan pause = TimeSpan.FromSeconds(1);

    readonly TimeProvider time;
    readonly Lock gate = new();
    readonly Dictionary<string, Socket> peers = [];
    readonly List<Socket> callers = [];
    volatile Socket? listener;
    volatile bool closed;

    /// <param name="directory">Where the sockets are.</param>
    /// <param name="rung">Somebody committed something.</param>
    /// <param name="ended">A process that was connected may have died.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">For a bell that cannot be hung.</param>
    public Doorbell(string directory, Action rung, Action ended, TimeProvider time, ILogger logger)
    {
        (this.rung, this.ended, this.time, this.logger) = (rung, ended, time, logger);
        path = Path.Combine(directory, $"{Guid.NewGuid():N}.bell");
    }

    /// <summary>Where this process listens; empty while it does not.</summary>
    public string Address => listener is null ? "" : path;

    /// <summary>Begins to listen, if this process does not yet.</summary>
    public void Listen()
    {
        lock (gate)
        {
            if (closed || (listener is not null && File.Exists(path)))
            {
                return;
            }

            listener?.Dispose(); // somebody has removed its file, so nobody finds it any more
            listener = null;
            Socket? socket = null;
            try
            {
                socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                socket.Bind(new UnixDomainSocketEndPoint(path));
                socket.Listen(128);
            }
            catch (Exception e) when (e is SocketException or ArgumentException or PlatformNotSupportedException)
            {
                socket?.Dispose();
                Log.NoDoorbell(logger, path, e.Message.TrimEnd('.')); // for example a path of more than 108 bytes
                return;
            }

            listener = socket;
        }

        using (ExecutionContext.SuppressFlow()) // it lives longer than this call
        {
            _ = AcceptAsync(listener);
        }
    }

    /// <summary>Connects to these bells, to hear at once when one of their processes ends.</summary>
    public void Watch(IReadOnlyCollection<string> bells) => Each(bells, static _ => true);

    /// <summary>Sends a byte to each of these bells but our own. Never waits.</summary>
    public void Ring(IReadOnlyCollection<string> bells) => Each(bells, TrySend);

    public async ValueTask DisposeAsync()
    {
        lock (gate)
        {
            closed = true;
            listener?.Dispose();
            foreach (var peer in peers.Values.Concat(callers))
            {
                peer.Dispose();
            }

            peers.Clear();
            callers.Clear();
        }

        if (listener is not null)
        {
            SessionFile.Delete(Path.GetDirectoryName(path)!, Path.GetFileName(path));
        }

        await ValueTask.CompletedTask.ConfigureAwait(false);
    }

    void Each(IReadOnlyCollection<string> bells, Func<Socket, bool> isWell)
    {
        lock (gate)
        {
            foreach (var gone in peers.Keys.Except(bells).ToList())
            {
                Drop(gone);
            }

            foreach (var bell in bells)
            {
                if (bell != path && bell.Length > 0 && !closed && Peer(bell) is { } peer && !isWell(peer))
                {
                    Drop(bell);
                }
            }
        }
    }

    Socket? Peer(string bell)
    {
        if (peers.TryGetValue(bell, out var known))
        {
            return known;
        }

        Socket? socket = null;
        try
        {
            socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { Blocking = false };
            socket.Connect(new UnixDomainSocketEndPoint(bell)); // at once, or not at all
            peers[bell] = socket;
            _ = WatchAsync(socket);
            return socket;
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            socket?.Dispose();
            return null; // the process is gone, or is suspended with a full queue
        }
    }

    static bool TrySend(Socket peer)
    {
        try
        {
            peer.Send(ring, SocketFlags.None, out var error);
            return error is SocketError.Success or SocketError.WouldBlock; // would block: it has enough bytes to wake up
        }
        catch (ObjectDisposedException)
        {
            return false;
        }
    }

    void Drop(string bell)
    {
        if (peers.Remove(bell, out var socket))
        {
            socket.Dispose();
        }
    }

    async Task AcceptAsync(Socket from)
    {
        while (true)
        {
            try
            {
                var caller = await from.AcceptAsync().ConfigureAwait(false);
                lock (gate)
                {
                    if (closed)
                    {
                        caller.Dispose();
                        return;
                    }

                    callers.Add(caller);
                }

                _ = WatchAsync(caller);
            }
            catch (SocketException) when (listener == from && !closed)
            {
                await Task.Delay(pause, time).ConfigureAwait(false); // too many open files, for example
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    async Task WatchAsync(Socket socket)
    {
        var buffer = new byte[256];
        try
        {
            while (await socket.ReceiveAsync(buffer, SocketFlags.None).ConfigureAwait(false) > 0)
            {
                rung();
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // As the end of the stream.
        }

        lock (gate)
        {
            callers.Remove(socket);
            if (closed)
            {
                return;
            }
        }

        socket.Dispose();
        ended();
    }
}
