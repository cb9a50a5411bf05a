using System.Net;
using System.Net.Sockets;

namespace Jobs.Brokers;

/// <summary>
/// A network that breaks on command: stands on a free loopback port between a client and a broker and forwards both ways until told otherwise.
/// Everything it is told holds for the connections there are and for those that come, except where said.
/// </summary>
public sealed class TcpProxy : IAsyncDisposable
{
    readonly Lock gate = new();
    readonly string upstreamHost;
    readonly int upstreamPort;
    readonly HashSet<TcpProxyLink> links = [];
    readonly List<(int Count, TaskCompletionSource Reached)> waiting = [];
    readonly CancellationTokenSource stopping = new();
    Socket? listener;
    Task accepting = Task.CompletedTask;
    int accepted;
    long bytesToServer;
    long bytesToClient;
    (long Left, TaskCompletionSource Done)? cut;

    TcpProxy(string upstreamHost, int upstreamPort)
    {
        this.upstreamHost = upstreamHost;
        this.upstreamPort = upstreamPort;
        AcceptNew();
    }

    /// <summary>Where clients connect; the same for the proxy's whole life.</summary>
    public int Port { get; private set; }

    public int ConnectionsAccepted => Volatile.Read(ref accepted);

    public int OpenConnections
    {
        get
        {
            lock (gate)
                return links.Count;
        }
    }

    public long BytesToServer => Interlocked.Read(ref bytesToServer);

    public long BytesToClient => Interlocked.Read(ref bytesToClient);

    /// <summary>While true, new connections are accepted and then nothing: no upstream connection, no byte, no end.</summary>
    public bool AcceptAndStaySilent { get; set; }

    internal Gate ToServer { get; } = new();

    internal Gate ToClient { get; } = new();

    public static TcpProxy Start(Uri upstream) => new(upstream.Host, upstream.Port);

    /// <summary>The same address with this proxy in place of the host and the port.</summary>
    public Uri Through(Uri upstream) => new UriBuilder(upstream) { Host = "127.0.0.1", Port = Port }.Uri;

    /// <summary>Completes when this many connections were accepted since the proxy started.</summary>
    public Task AcceptedAsync(int count)
    {
        lock (gate)
        {
            if (accepted >= count)
                return Task.CompletedTask;
            var reached = NewSignal();
            waiting.Add((count, reached));
            return reached.Task;
        }
    }

    /// <summary>Completes when the next connection is accepted.</summary>
    public Task NextAcceptedAsync() => AcceptedAsync(ConnectionsAccepted + 1);

    /// <summary>Ends the present connections with RST on both sides; what was under way is lost. New ones work.</summary>
    public void ResetAll()
    {
        foreach (var link in Links())
            link.Reset();
    }

    /// <summary>Forwards nothing in either direction while all sockets stay open: a cable pulled out.</summary>
    public void StallBoth()
    {
        ToServer.Close();
        ToClient.Close();
    }

    /// <summary>Stops reading from clients, so that their send buffers fill up; the other direction goes on.</summary>
    public void StallClientToServer() => ToServer.Close();

    /// <summary>Stops reading from the server: publishes arrive, confirms and deliveries do not.</summary>
    public void StallServerToClient() => ToClient.Close();

    /// <summary>Forwards again, beginning with what was held back.</summary>
    public void Resume()
    {
        ToServer.Open();
        ToClient.Open();
    }

    /// <summary>
    /// Lets exactly this many more bytes through from clients to the server, over all connections together,
    /// then resets the connection that has more to say. Once; the task completes when it has happened.
    /// </summary>
    public Task CutAfter(long bytes)
    {
        lock (gate)
        {
            var done = NewSignal();
            cut = (bytes, done);
            return done.Task;
        }
    }

    /// <summary>Takes back a <see cref="CutAfter"/> that has not happened yet; its task then never completes.</summary>
    public void CancelCut()
    {
        lock (gate)
            cut = null;
    }

    /// <summary>Tells present clients that the server will send no more (FIN); what they send still arrives.</summary>
    public void HalfClose()
    {
        foreach (var link in Links())
            link.EndTowardsClient();
    }

    /// <summary>Refuses new connections, as a dead node does; present ones stay.</summary>
    public void RefuseNew()
    {
        lock (gate)
        {
            listener?.Dispose();
            listener = null;
        }
    }

    /// <summary>Takes new connections again on the same port.</summary>
    public void AcceptNew()
    {
        lock (gate)
        {
            if (listener is not null)
                return;
            listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true); // old links still use the port
            listener.Bind(new IPEndPoint(IPAddress.Loopback, Port));
            listener.Listen(512);
            Port = ((IPEndPoint)listener.LocalEndPoint!).Port;
            accepting = AcceptAsync(listener);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        RefuseNew();
        await accepting;
        var left = Links();
        foreach (var link in left)
            link.Reset();
        await Task.WhenAll(left.Select(link => link.Ended));
        stopping.Dispose();
    }

    /// <summary>How many of these client bytes may pass; fewer than asked means: forward those, then reset.</summary>
    internal int AllowToServer(int bytes, out TaskCompletionSource? cutNow)
    {
        lock (gate)
        {
            cutNow = null;
            if (cut is not { } planned)
                return bytes;
            if (bytes <= planned.Left)
            {
                cut = (planned.Left - bytes, planned.Done);
                return bytes;
            }

            cut = null;
            cutNow = planned.Done;
            return (int)planned.Left;
        }
    }

    internal void CountToServer(int bytes) => Interlocked.Add(ref bytesToServer, bytes);

    internal void CountToClient(int bytes) => Interlocked.Add(ref bytesToClient, bytes);

    async Task AcceptAsync(Socket from)
    {
        while (true)
        {
            Socket client;
            try
            {
                client = await from.AcceptAsync(stopping.Token);
            }
            catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException or SocketException)
            {
                return; // RefuseNew or DisposeAsync
            }

            var link = new TcpProxyLink(this, client);
            List<TaskCompletionSource> reached;
            lock (gate)
            {
                links.Add(link);
                accepted++;
                reached = [.. waiting.Where(entry => entry.Count <= accepted).Select(entry => entry.Reached)];
                waiting.RemoveAll(entry => entry.Count <= accepted);
            }

            link.Run(AcceptAndStaySilent ? null : upstreamHost, upstreamPort, stopping.Token, whenEnded: () =>
            {
                lock (gate)
                    links.Remove(link);
            });
            foreach (var signal in reached)
                signal.SetResult();
        }
    }

    TcpProxyLink[] Links()
    {
        lock (gate)
            return [.. links];
    }

    static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Open: passing costs nothing. Closed: whoever comes waits until it opens.</summary>
    internal sealed class Gate
    {
        volatile TaskCompletionSource? closed;

        public void Close() => closed ??= NewSignal();

        public void Open()
        {
            var waited = closed;
            closed = null;
            waited?.TrySetResult();
        }

        public Task PassAsync(CancellationToken cancellation) => closed?.Task.WaitAsync(cancellation) ?? Task.CompletedTask;
    }
}
