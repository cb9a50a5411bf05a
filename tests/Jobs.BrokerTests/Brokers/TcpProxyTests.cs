using Jobs.Brokers;
using System.Net;
using System.Net.Sockets;

namespace Jobs.BrokerTests.Brokers;

/// <summary>The fault tests are only worth as much as the faults: each one is proved against an echo server.</summary>
public sealed class TcpProxyTests : IAsyncDisposable
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(10);

    readonly TcpListener echo = new(IPAddress.Loopback, 0);
    readonly TcpProxy proxy;
    readonly CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
    long echoReceived;

    public TcpProxyTests()
    {
        deadline.CancelAfter(Soon);
        echo.Start();
        _ = ServeAsync();
        proxy = TcpProxy.Start(new Uri($"amqp://guest:guest@127.0.0.1:{((IPEndPoint)echo.LocalEndpoint).Port}/jobs"));
    }

    public async ValueTask DisposeAsync()
    {
        await proxy.DisposeAsync();
        echo.Dispose();
        deadline.Dispose();
    }

    [Fact]
    public async Task Bytes_pass_both_ways_and_are_counted()
    {
        var connected = proxy.NextAcceptedAsync();
        using var client = await ConnectAsync();
        await connected.WaitAsync(Soon, TestContext.Current.CancellationToken);

        await SayAsync(client, 5);
        await HearAsync(client, 5);

        Assert.Equal(1, proxy.ConnectionsAccepted);
        await Eventually.BecomesAsync(() => proxy is { BytesToServer: 5, BytesToClient: 5 }, Soon, "the counters to say 5 and 5");
    }

    [Fact]
    public void An_address_keeps_its_user_and_virtual_host()
    {
        Assert.Equal($"amqp://u:p@127.0.0.1:{proxy.Port}/v", proxy.Through(new Uri("amqp://u:p@broker:5672/v")).ToString());
    }

    [Fact]
    public async Task A_reset_is_a_reset_and_new_connections_work()
    {
        using var client = await ConnectAsync();
        await SayAsync(client, 1);
        await HearAsync(client, 1);

        proxy.ResetAll();

        var exception = await Assert.ThrowsAsync<SocketException>(() => HearAsync(client, 1));
        Assert.Equal(SocketError.ConnectionReset, exception.SocketErrorCode);
        using var second = await ConnectAsync();
        await SayAsync(second, 1);
        await HearAsync(second, 1);
    }

    [Fact]
    public async Task Stalled_connections_stay_open_and_lose_nothing()
    {
        using var client = await ConnectAsync();
        await SayAsync(client, 1);
        await HearAsync(client, 1);

        proxy.StallBoth();
        await SayAsync(client, 1000);
        // A second connection is accepted meanwhile and as silent as the first.
        using var second = await ConnectAsync();
        await proxy.AcceptedAsync(2).WaitAsync(Soon, TestContext.Current.CancellationToken);
        Assert.Equal(1, Interlocked.Read(ref echoReceived));
        Assert.Equal(0, client.Available);

        proxy.Resume();
        await HearAsync(client, 1000);
    }

    [Fact]
    public async Task A_client_that_is_not_read_fills_its_buffers()
    {
        using var client = await ConnectAsync();
        await SayAsync(client, 1);
        await HearAsync(client, 1);

        proxy.StallClientToServer();
        client.Blocking = false;
        await Eventually.BecomesAsync(IsFull, Soon, "the send buffer to be full");

        bool IsFull()
        {
            client.Send(new byte[1024 * 1024], SocketFlags.None, out var error);
            return error == SocketError.WouldBlock;
        }
    }

    [Fact]
    public async Task A_cut_lets_exactly_that_many_bytes_through()
    {
        using var client = await ConnectAsync();
        await SayAsync(client, 3);
        await HearAsync(client, 3);

        var cut = proxy.CutAfter(100);
        await SayAsync(client, 60);
        await HearAsync(client, 60);
        await SayAsync(client, 60);

        await cut.WaitAsync(Soon, TestContext.Current.CancellationToken);
        Assert.Equal(103, proxy.BytesToServer);
        await Assert.ThrowsAsync<SocketException>(async () =>
        {
            while (true)
                await HearAsync(client, 1);
        });
        await Eventually.BecomesAsync(() => proxy.OpenConnections == 0, Soon, "the connection to be gone");
    }

    [Fact]
    public async Task After_a_half_close_the_client_reads_the_end_and_can_still_write()
    {
        using var client = await ConnectAsync();
        await SayAsync(client, 1);
        await HearAsync(client, 1);

        proxy.HalfClose();

        Assert.Equal(0, await client.ReceiveAsync(new byte[1], deadline.Token));
        await SayAsync(client, 10);
        await Eventually.BecomesAsync(() => Interlocked.Read(ref echoReceived) == 11, Soon, "the server to have 11 bytes");
    }

    [Fact]
    public async Task A_silent_proxy_accepts_and_never_reaches_the_server()
    {
        proxy.AcceptAndStaySilent = true;
        using var silent = await ConnectAsync();
        await SayAsync(silent, 1);
        await proxy.AcceptedAsync(1).WaitAsync(Soon, TestContext.Current.CancellationToken);

        proxy.AcceptAndStaySilent = false;
        using var client = await ConnectAsync();
        await SayAsync(client, 2);
        await HearAsync(client, 2);

        Assert.Equal(2, Interlocked.Read(ref echoReceived));
        Assert.Equal(0, silent.Available);
    }

    [Fact]
    public async Task A_refusing_proxy_keeps_what_it_has_and_takes_new_ones_later_on_the_same_port()
    {
        using var client = await ConnectAsync();
        await SayAsync(client, 1);
        await HearAsync(client, 1);

        proxy.RefuseNew();

        var exception = await Assert.ThrowsAsync<SocketException>(ConnectAsync);
        Assert.Equal(SocketError.ConnectionRefused, exception.SocketErrorCode);
        await SayAsync(client, 1);
        await HearAsync(client, 1);
        proxy.AcceptNew();
        using var second = await ConnectAsync();
        await SayAsync(second, 1);
        await HearAsync(second, 1);
    }

    async Task<Socket> ConnectAsync()
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(IPAddress.Loopback, proxy.Port, deadline.Token);
        return client;
    }

    async Task SayAsync(Socket client, int bytes) =>
        Assert.Equal(bytes, await client.SendAsync(new byte[bytes], deadline.Token));

    async Task HearAsync(Socket client, int bytes)
    {
        var buffer = new byte[bytes];
        for (var got = 0; got < bytes;)
        {
            var read = await client.ReceiveAsync(buffer.AsMemory(got), deadline.Token);
            Assert.NotEqual(0, read);
            got += read;
        }
    }

    async Task ServeAsync()
    {
        try
        {
            while (true)
                _ = EchoAsync(await echo.AcceptSocketAsync());
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }

        async Task EchoAsync(Socket peer)
        {
            using (peer)
            {
                var buffer = new byte[64 * 1024];
                try
                {
                    while (await peer.ReceiveAsync(buffer) is > 0 and var read)
                    {
                        Interlocked.Add(ref echoReceived, read);
                        await peer.SendAsync(buffer.AsMemory(0, read));
                    }
                }
                catch (SocketException)
                {
                    // Reset by the proxy.
                }
            }
        }
    }
}
