namespace Jobs.Faults.Sites;

/// <summary>The configuration of HAProxy that users are told to take, as short as a test can have it.</summary>
static class HaproxyConfiguration
{
    /// <param name="bind">For example <c>127.0.0.1:5672</c>.</param>
    /// <param name="servers">Address and port of each node.</param>
    public static string For(string bind, IEnumerable<string> servers) => $"""
        global
            maxconn 20000
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
}
