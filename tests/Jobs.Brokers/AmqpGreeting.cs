using System.Net.Sockets;

namespace Jobs.Brokers;

/// <summary>The first words of AMQP 0-9-1, which only a node that serves clients answers; a load balancer and a paused node accept and stay silent.</summary>
public static class AmqpGreeting
{
    public static Task WaitAsync(Uri uri, TimeSpan timeout, string what) => Eventually.BecomesAsync(() => IsAnsweredAsync(uri), timeout, what);

    public static async Task<bool> IsAnsweredAsync(Uri uri)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(3));
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(uri.Host, uri.Port, deadline.Token);
            await socket.SendAsync("AMQP\0\0\u0009\u0001"u8.ToArray(), deadline.Token);
            var answer = new byte[1];
            // 1 is a method frame: connection.start.
            return await socket.ReceiveAsync(answer, deadline.Token) == 1 && answer[0] == 1;
        }
        catch (Exception exception) when (exception is SocketException or OperationCanceledException)
        {
            return false;
        }
    }
}
