using System.Net;
using System.Net.Sockets;

namespace Jobs.Brokers;

static class FreePorts
{
    // Below those that the kernel gives to outgoing connections (32768 and up on Linux): one of these would take the port of a node that is down for
    // a moment, and the node could not start again. Above what services usually have.
    const int First = 10_000;
    const int Last = 20_000;

    /// <summary>Loopback ports that were free a moment ago, all different.</summary>
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
                    listeners.Add(listener);
                }
                catch (SocketException)
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
}
