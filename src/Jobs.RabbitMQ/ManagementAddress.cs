namespace Jobs.RabbitMQ;

/// <summary>The hosts and credentials of the management API, read from a URI that may name several hosts.</summary>
/// <param name="Hosts">The root of each host.</param>
/// <param name="UserName">The user, if the URI names one.</param>
/// <param name="Password">The password, if the URI names one.</param>
sealed record ManagementAddress(IReadOnlyList<Uri> Hosts, string? UserName, string? Password)
{
    /// <summary>The address without the password, for logs and messages.</summary>
    public override string ToString() => string.Join(", ", Hosts);

    /// <exception cref="FormatException">The URI is not valid. The message says which form is.</exception>
    public static ManagementAddress Parse(string uri)
    {
        // System.Uri knows only one host, so this method splits the authority itself. No message shows the part before
        // the '@': that part may contain a password.
        const string Shape = "use http://user:password@host1:15672,host2:15672, or https:// for TLS";
        var scheme = new[] { "http://", "https://" }.FirstOrDefault(s => uri.StartsWith(s, StringComparison.OrdinalIgnoreCase))
            ?? throw new FormatException($"it begins with neither http:// nor https://; {Shape}");
        var rest = uri[scheme.Length..];
        var slash = rest.IndexOf('/', StringComparison.Ordinal);
        var (authority, path) = slash < 0 ? (rest, "/") : (rest[..slash], rest[slash..].TrimEnd('/') + "/");
        var at = authority.LastIndexOf('@');
        var user = at < 0 ? [] : authority[..at].Split(':', 2);
        var hosts = authority[(at + 1)..].Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return new(
            hosts.Length == 0 ? throw new FormatException($"it names no host; {Shape}") : [.. hosts.Select(host => Root(host.Trim()))],
            user.Length > 0 ? Uri.UnescapeDataString(user[0]) : null,
            user.Length > 1 ? Uri.UnescapeDataString(user[1]) : null);

        Uri Root(string host) =>
            !host.AsSpan().ContainsAny("@?#") && !path.AsSpan().ContainsAny("@?#") && Uri.TryCreate(scheme + host + path, UriKind.Absolute, out var root)
                ? root
                // Without the text behind the colon: that text may be a password.
                : throw new FormatException(
                    $"'{host.Split(':')[0]}' is no host with a port between 1 and 65535 (write %2F for a slash and %40 for an @ in a password); {Shape}");
    }
}
