using System.Net;
using System.Net.Sockets;
using RabbitMQ.Client;

namespace Jobs.RabbitMQ;

/// <summary>The hosts and credentials of the cluster, read from a URI that may name several hosts.</summary>
sealed record BrokerAddress
{
    public required IReadOnlyList<(string Host, int Port)> Hosts { get; init; }

    public required string UserName { get; init; }

    public required string Password { get; init; }

    public required string VirtualHost { get; init; }

    public required bool Tls { get; init; }

    string? TlsServerName { get; init; }

    /// <summary>The address without the password, for logs and messages.</summary>
    public override string ToString() =>
        $"{(Tls ? "amqps" : "amqp")}://{UserName}@{string.Join(',', Hosts.Select(h => $"{h.Host}:{h.Port}"))}/{Uri.EscapeDataString(VirtualHost)}";

    /// <exception cref="FormatException">The URI is not valid. The message says which form is.</exception>
    public static BrokerAddress Parse(RabbitMqOptions options)
    {
        // System.Uri knows only one host, so this method splits the authority itself.
        const string Shape = "use amqp://user:password@host1,host2:5673/vhost, or amqps:// for TLS";
        var uri = options.Uri;
        var (tls, rest) = uri switch
        {
            _ when uri.StartsWith("amqp://", StringComparison.OrdinalIgnoreCase) => (false, uri["amqp://".Length..]),
            _ when uri.StartsWith("amqps://", StringComparison.OrdinalIgnoreCase) => (true, uri["amqps://".Length..]),
            _ => throw new FormatException($"it begins with neither amqp:// nor amqps://; {Shape}"),
        };
        var slash = rest.IndexOf('/', StringComparison.Ordinal);
        var authority = slash < 0 ? rest : rest[..slash];
        var path = slash < 0 ? "" : rest[(slash + 1)..];
        path = path == "/" ? "%2F" : path; // Celery's users write the virtual host "/" like this
        var at = authority.LastIndexOf('@');
        var user = at < 0 ? [] : authority[..at].Split(':', 2);
        var hosts = authority[(at + 1)..].Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (path.AsSpan().ContainsAny("/?#"))
        {
            throw new FormatException($"'/{path}' is not one virtual host (write %2F for a slash in its name); {Shape}");
        }

        return new()
        {
            Tls = tls,
            TlsServerName = options.TlsServerName,
            Hosts = hosts.Length == 0 ? throw new FormatException($"it names no host; {Shape}") : [.. hosts.Select(h => Host(h, tls ? 5671 : 5672))],
            UserName = user.Length > 0 && user[0].Length > 0 ? Uri.UnescapeDataString(user[0]) : options.UserName ?? "guest",
            Password = user.Length > 1 ? Uri.UnescapeDataString(user[1]) : options.Password ?? "guest",
            VirtualHost = path.Length > 0 ? Uri.UnescapeDataString(path) : options.VirtualHost ?? "/",
        };

        static (string, int) Host(string text, int defaultPort)
        {
            if (text.StartsWith(':') && !text.StartsWith("::", StringComparison.Ordinal))
            {
                throw new FormatException($"it names no host before '{text}'; {Shape}");
            }

            if (text.AsSpan().ContainsAny("?#@ "))
            {
                throw new FormatException($"'{text}' is no host (options do not go into the URI); {Shape}");
            }

            var colon = text.StartsWith('[') ? text.IndexOf("]:", StringComparison.Ordinal) + 1 : text.IndexOf(':', StringComparison.Ordinal);
            if (colon <= 0)
            {
                return (text.Trim('[', ']'), defaultPort);
            }

            return int.TryParse(text[(colon + 1)..], out var port) && port is > 0 and < 65536
                ? (text[..colon].Trim('[', ']'), port)
                // Without the text behind the colon: that text may be a password.
                : throw new FormatException($"host '{text[..colon]}' has no port between 1 and 65535 (write %2F for a slash in a password); {Shape}");
        }
    }

    /// <summary>
    /// All addresses of all hosts, in random order. RabbitMQ.Client would try only the first address of a name.
    /// </summary>
    public async Task<AmqpTcpEndpoint[]> ResolveAsync(Random random, CancellationToken cancellationToken)
    {
        var endpoints = new List<AmqpTcpEndpoint>();
        foreach (var (host, port) in Hosts)
        {
            try
            {
                foreach (var address in await Dns.GetHostAddressesAsync(host, cancellationToken).ConfigureAwait(false))
                {
                    endpoints.Add(new(address.ToString(), port, Ssl(host)));
                }
            }
            catch (SocketException)
            {
                endpoints.Add(new(host, port, Ssl(host))); // the connect will fail, and name the host in its message
            }
        }

        var shuffled = endpoints.ToArray();
        random.Shuffle(shuffled);
        return shuffled;
    }

    // Only the server name is used: BrokerSocket does TLS.
    SslOption Ssl(string host) => Tls ? new(TlsServerName ?? host) : new();
}
