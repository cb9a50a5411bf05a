namespace Jobs.Faults.Sites;

/// <summary>HAProxy with the configuration that users are told to take, as short as a test can have it.</summary>
static class Haproxy
{
    /// <param name="bind">For example <c>127.0.0.1:5672</c>.</param>
    /// <param name="bindStatus">Where <see cref="AllServersAreUpAsync"/> asks.</param>
    /// <param name="servers">Address and port of each node.</param>
    public static string Configuration(string bind, string bindStatus, IEnumerable<string> servers) => $"""
        global
            # Each takes two file descriptors, of which an ordinary process may have 1024.
            maxconn 450
            log stdout format raw local0 notice
            # After a reload the old process keeps its connections for this long.
            hard-stop-after 15s
        defaults
            mode tcp
            log global
            option clitcpka
            option srvtcpka
            timeout connect 3s
            timeout client 3m
            timeout server 3m
            timeout client-fin 10s
            timeout server-fin 10s
            retries 2
            option redispatch
        frontend status
            mode http
            bind {bindStatus}
            stats enable
            stats uri /
        frontend amqp
            bind {bind}
            default_backend rabbitmq
        backend rabbitmq
            balance leastconn
            # The greeting of AMQP 0-9-1: a paused node accepts connections and does not answer it.
            option tcp-check
            tcp-check connect
            tcp-check send-binary 414d515000000901
            tcp-check expect binary 01000000
            default-server check inter 2s fastinter 500ms downinter 2s fall 2 rise 2 on-marked-down shutdown-sessions
        {string.Join('\n', servers.Select((server, index) => $"    server rmq{index + 1} {server}"))}

        """;

    /// <summary>Whether HAProxy believes that all nodes serve clients, which it does some seconds after they do.</summary>
    /// <param name="status">Address of the status frontend.</param>
    public static async Task<bool> AllServersAreUpAsync(Uri status)
    {
        using var client = new HttpClient { Timeout = TimeSpan.FromSeconds(3) };
        try
        {
            // A line per server: backend, server, 16 figures, then UP, DOWN, or how far it is on the way.
            var servers = (await client.GetStringAsync(new Uri(status, "/;csv"))).Split('\n')
                .Select(line => line.Split(','))
                .Where(fields => fields.Length > 17 && fields[1].StartsWith("rmq", StringComparison.Ordinal))
                .ToArray();
            return servers.Length > 0 && servers.All(fields => fields[17] == "UP");
        }
        catch (Exception exception) when (exception is HttpRequestException or TaskCanceledException or IOException)
        {
            return false;
        }
    }

    /// <param name="output">Of <c>haproxy -v</c>: <c>HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/</c>.</param>
    public static string ReadVersion(string output) => output.Split(' ') is [_, _, var version, ..] ? version.Split('-')[0] : "of unknown version";
}
