using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using RabbitMQ.Client;

namespace Jobs.RabbitMQ;

/// <summary>
/// Makes sockets that notice a dead peer. The client's own sockets set only NoDelay, and heartbeats alone need 3 to 4
/// intervals to notice.
/// </summary>
static class BrokerSocket
{
    /// <param name="family">IPv4 or IPv6.</param>
    /// <param name="tlsName">
    /// The name that the broker's certificate must have; <see langword="null"/> for no TLS.
    /// </param>
    /// <param name="inbound">Gets the bytes that the broker sends.</param>
    /// <param name="time">The clock.</param>
    public static ITcpClient Create(AddressFamily family, string? tlsName, InboundFrames inbound, TimeProvider time)
    {
        var socket = new Socket(family, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 15);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 5);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
        if (OperatingSystem.IsLinux())
        {
            // TCP_USER_TIMEOUT: the connection fails when the peer's kernel does not acknowledge written bytes within
            // 20 s.
            const int SolTcp = 6, TcpUserTimeout = 18;
            socket.SetRawSocketOption(SolTcp, TcpUserTimeout, BitConverter.GetBytes(20_000));
        }

        return new Client(socket, tlsName, inbound, time);
    }

    // This class does TLS. If the client did TLS on top of our stream, our stream would see only encrypted bytes.
    sealed class Client(Socket socket, string? tlsName, InboundFrames inbound, TimeProvider time) : TcpClientAdapter(socket)
    {
        Stream? wire;

        public override async Task ConnectAsync(IPAddress ep, int port, CancellationToken cancellationToken = default)
        {
            await base.ConnectAsync(ep, port, cancellationToken).ConfigureAwait(false);
            wire = new NetworkStream(Client, ownsSocket: false);
            if (tlsName is null)
            {
                return;
            }

            var tls = new SslStream(wire);
            wire = tls;
            try
            {
                await tls.AuthenticateAsClientAsync(new() { TargetHost = tlsName }, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (e is AuthenticationException or IOException)
            {
                throw new JobTransportException($"no TLS with '{tlsName}' at {ep}:{port}: {e.Message}", isTransient: true, e);
            }
        }

        public override NetworkStream GetStream() => new BrokerStream(Client, wire!, inbound, time);
    }
}
