using System.Net.Sockets;

namespace Jobs.Brokers;

/// <summary>One client's connection through a <see cref="TcpProxy"/>.</summary>
sealed class TcpProxyLink(TcpProxy proxy, Socket client)
{
    readonly Lock gate = new();
    readonly Socket server = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    readonly CancellationTokenSource reset = new();
    volatile bool endedTowardsClient;

    public Task Ended { get; private set; } = Task.CompletedTask;

    public void Run(string? upstreamHost, int upstreamPort, CancellationToken stopping, Action whenEnded)
    {
        Ended = RunAsync();

        async Task RunAsync()
        {
            // The caller is the accept loop: it must not wait for this connection.
            await Task.Yield();
            using var ending = CancellationTokenSource.CreateLinkedTokenSource(stopping, reset.Token);
            try
            {
                if (upstreamHost is null)
                    await Task.Delay(Timeout.InfiniteTimeSpan, ending.Token);
                await server.ConnectAsync(upstreamHost!, upstreamPort, ending.Token);
                client.NoDelay = true;
                var toServer = ToServerAsync(ending.Token);
                var toClient = ToClientAsync(ending.Token);
                await await Task.WhenAny(toServer, toClient); // a broken side must not wait for the other one
                await Task.WhenAll(toServer, toClient);
            }
            catch (Exception exception) when (exception is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                Reset();
            }
            finally
            {
                client.Dispose();
                server.Dispose();
                whenEnded();
            }
        }
    }

    /// <summary>RST to both sides.</summary>
    public void Reset()
    {
        lock (gate)
        {
            Abort(client);
            Abort(server);
        }

        reset.Cancel();

        static void Abort(Socket socket)
        {
            try
            {
                // Close with unsent data thrown away is what makes the system send RST instead of FIN.
                socket.LingerState = new LingerOption(true, 0);
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                // Closed already.
            }

            socket.Dispose();
        }
    }

    public void EndTowardsClient()
    {
        endedTowardsClient = true;
        End(client);
    }

    async Task ToServerAsync(CancellationToken cancellation)
    {
        var buffer = new byte[16 * 1024];
        while (true)
        {
            await proxy.ToServer.PassAsync(cancellation);
            var read = await client.ReceiveAsync(buffer, cancellation);
            await proxy.ToServer.PassAsync(cancellation); // closed while we were reading: hold what we have
            if (read == 0)
            {
                End(server);
                return;
            }

            var allowed = proxy.AllowToServer(read, out var cutNow);
            await SendAllAsync(server, buffer.AsMemory(0, allowed), cancellation);
            proxy.CountToServer(allowed);
            if (cutNow is null)
                continue;

            Reset();
            cutNow.SetResult();
            return;
        }
    }

    async Task ToClientAsync(CancellationToken cancellation)
    {
        var buffer = new byte[16 * 1024];
        while (true)
        {
            await proxy.ToClient.PassAsync(cancellation);
            var read = await server.ReceiveAsync(buffer, cancellation);
            await proxy.ToClient.PassAsync(cancellation);
            if (read == 0)
            {
                End(client);
                return;
            }

            if (endedTowardsClient)
                continue;
            await SendAllAsync(client, buffer.AsMemory(0, read), cancellation);
            proxy.CountToClient(read);
        }
    }

    static async Task SendAllAsync(Socket to, ReadOnlyMemory<byte> bytes, CancellationToken cancellation)
    {
        while (!bytes.IsEmpty)
            bytes = bytes[await to.SendAsync(bytes, cancellation)..];
    }

    static void End(Socket socket)
    {
        try
        {
            socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // Gone already; that is an end too.
        }
    }
}
