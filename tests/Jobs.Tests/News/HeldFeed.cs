using System.Net;
using System.Net.Sockets;

namespace Jobs.Tests.News;

/// <summary>A feed with one story. It answers nobody until it is told to.</summary>
sealed class HeldFeed : IDisposable
{
    const string Rss = """
        <rss version="2.0"><channel><title>held</title><item><title>It goes on</title><link>http://127.0.0.1/it-goes-on</link></item></channel></rss>
        """;

    readonly HttpListener listener;
    readonly TaskCompletionSource asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly TaskCompletionSource answering = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public HeldFeed()
    {
        (listener, Address) = Listen();
        _ = ServeAsync();
    }

    public string Address { get; }

    /// <summary>Ends when somebody has asked for the feed.</summary>
    public Task Asked => asked.Task;

    public void Answer() => answering.TrySetResult();

    public void Dispose()
    {
        answering.TrySetCanceled();
        listener.Close();
    }

    // Another process may take the port between the two calls.
    static (HttpListener Listener, string Address) Listen()
    {
        for (var tries = 1; ; tries++)
        {
            using var port = new TcpListener(IPAddress.Loopback, 0);
            port.Start();
            var address = $"http://127.0.0.1:{((IPEndPoint)port.LocalEndpoint).Port}/";
            port.Stop();
            var listener = new HttpListener();
            listener.Prefixes.Add(address);
            try
            {
                listener.Start();
                return (listener, address);
            }
            catch (HttpListenerException) when (tries < 10)
            {
                listener.Close();
            }
        }
    }

    async Task ServeAsync()
    {
        try
        {
            while (true)
            {
                _ = AnswerAsync(await listener.GetContextAsync());
            }
        }
        catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    async Task AnswerAsync(HttpListenerContext context)
    {
        asked.TrySetResult();
        try
        {
            await answering.Task;
            await context.Response.OutputStream.WriteAsync(System.Text.Encoding.UTF8.GetBytes(Rss));
            context.Response.Close();
        }
        catch (Exception e) when (e is HttpListenerException or ObjectDisposedException or OperationCanceledException)
        {
            // The process that asked was killed.
        }
    }
}
