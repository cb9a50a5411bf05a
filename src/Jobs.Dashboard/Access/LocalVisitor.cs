using System.Net;
using Microsoft.AspNetCore.Http;

namespace Jobs.Dashboard.Access;

/// <summary>Whether a request comes from a browser on this machine, and not through a proxy.</summary>
/// <remarks>
/// 1. The address must be this machine's. A proxy on the same machine has such an address too, so:
/// 2. The name that the browser asked for must be this machine's. A page of another site that has its name resolve to
/// 127.0.0.1 (DNS rebinding) asks for its own name.
/// 3. No proxy may have left a trace: a header that says for whom it asks, or HTTP/1.0, which nginx before 1.29.7 speaks
/// unless told otherwise. ASP.NET Core's middleware for forwarded headers takes the address from such a header, which
/// anybody can write, and keeps the true one in X-Original-For.
/// 4. No page of another site, or of another port of this machine, may have asked with a script: the application may allow
/// that for its own addresses (CORS). A link from there is fine, as the other page does not see what it leads to.
/// A proxy that leaves no trace at all cannot be told from a browser. So this counts in Development only.
/// </remarks>
static class LocalVisitor
{
    static readonly string[] proxyHeaders =
    [
        "Forwarded", "Via", "X-Real-IP", "X-Client-IP", "X-Cluster-Client-IP", "True-Client-IP", "CF-Connecting-IP", "Fly-Client-IP",
        "X-Envoy-External-Address",
    ];

    static readonly string[] proxyPrefixes = ["X-Forwarded-", "X-Original-", "X-ProxyUser-"];

    /// <summary>Why the request does not count as one of this machine; <see langword="null"/> when it does.</summary>
    public static string? WhyNot(HttpContext http)
    {
        if (http.Connection.RemoteIpAddress is not { } address || !IsLoopback(address))
        {
            return $"it comes from {http.Connection.RemoteIpAddress?.ToString() ?? "an unknown address"}, and not from this machine";
        }

        if (!IsLoopback(http.Request.Host.Host))
        {
            return $"it asks for the host '{http.Request.Host.Host}', and not for localhost";
        }

        if (http.Request.Headers.Keys.FirstOrDefault(IsOfProxy) is { } header)
        {
            return $"it has the header {header}, so it came through a proxy";
        }

        return HttpProtocol.IsHttp10(http.Request.Protocol) || HttpProtocol.IsHttp09(http.Request.Protocol)
                ? "it is HTTP/1.0, which proxies speak and browsers do not"
            : IsOfOtherPage(http.Request)
                ? "a page of another site has asked for it"
            : null;
    }

    static bool IsOfProxy(string header) =>
        proxyHeaders.Contains(header, StringComparer.OrdinalIgnoreCase)
        || proxyPrefixes.Any(prefix => header.StartsWith(prefix, StringComparison.OrdinalIgnoreCase));

    // A form of another page is refused by SameOrigin, with a line of the log.
    static bool IsOfOtherPage(HttpRequest request) =>
        request.Headers["Sec-Fetch-Site"].ToString() is "cross-site" or "same-site"
        && request.Headers["Sec-Fetch-Mode"] != "navigate" && !HttpMethods.IsPost(request.Method);

    static bool IsLoopback(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || (IPAddress.TryParse(host, out var address) && IsLoopback(address));

    static bool IsLoopback(IPAddress address) => IPAddress.IsLoopback(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address);
}
