using System.Net;
using System.Net.Sockets;

namespace Jobs.Brokers;

static class FreePorts
{
    /// <summary>Loopback ports that were free a moment ago, all different.</summary>
    public static int[] Take(int count)
    {
        // All are held until all are found: a port closed at once would be handed out again.
        var listeners = Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0)).ToArray();
        try
        {
            return [.. listeners.Select(listener =>
            {
                listener.Start();
                return ((IPEndPoint)listener.LocalEndpoint).Port;
            })];
        }
        finally
        {
            foreach (var listener in listeners)
                listener.Dispose();
        }
    }
}
