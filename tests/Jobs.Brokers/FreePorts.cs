using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Jobs.Brokers;

static class FreePorts
{
    // Below those that the kernel gives to outgoing connections (32768 and up on Linux): one of these would take the port of a node that is down for
    // a moment, and the node could not start again. Above what services usually have.
    const int First = 10_000;
    const int Last = 20_000;

    // A node that is down for a moment must find its ports again, and several test hosts run beside each other. So a test
    // host holds a locked file for each port that it has taken, until the test host ends.
    static readonly ConcurrentBag<FileStream> reserved = [];

    /// <summary>Different loopback ports that nobody uses. No other test host takes these ports while this one lives.</summary>
    public static int[] Take(int count)
    {
        // All are held until all are found: a port closed at once could be found again.
        var listeners = new List<TcpListener>();
        try
        {
            while (listeners.Count < count)
            {
                var listener = new TcpListener(IPAddress.Loopback, Random.Shared.Next(First, Last));
                try
                {
                    listener.Start();
                    Reserve(((IPEndPoint)listener.LocalEndpoint).Port);
                    listeners.Add(listener);
                }
                catch (Exception e) when (e is SocketException or IOException or UnauthorizedAccessException)
                {
                    listener.Dispose(); // somebody has it; another one is free
                }
            }

            return [.. listeners.Select(listener => ((IPEndPoint)listener.LocalEndpoint).Port)];
        }
        finally
        {
            foreach (var listener in listeners)
                listener.Dispose();
        }
    }

    static void Reserve(int port) => reserved.Add(new(
        Path.Combine(Path.GetTempPath(), $"jobs-test-port-{port}"),
        new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, Share = FileShare.None, Options = FileOptions.DeleteOnClose }));
}
