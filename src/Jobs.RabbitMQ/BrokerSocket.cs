using System.Net.Sockets;
using RabbitMQ.Client;

namespace Jobs.RabbitMQ;

/// <summary>Sockets that notice a dead peer. The client's own sets only NoDelay, and heartbeats alone take 3 to 4 intervals.</summary>
static class BrokerSocket
{
    public static ITcpClient Create(AddressFamily family, TimeProvider time)
    {
        var socket = new Socket(family, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 15);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 5);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
        if (OperatingSystem.IsLinux())
        {
            // TCP_USER_TIMEOUT: what was written and is not acknowledged by the peer's kernel fails after 20 s.
            const int SolTcp = 6, TcpUserTimeout = 18;
            socket.SetRawSocketOption(SolTcp, TcpUserTimeout, BitConverter.GetBytes(20_000));
        }

        return new Client(socket, time);
    }

    sealed class Client(Socket socket, TimeProvider time) : TcpClientAdapter(socket)
    {
        public override NetworkStream GetStream() => new BrokerStream(Client, time);
    }
}
