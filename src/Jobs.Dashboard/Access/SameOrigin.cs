using Microsoft.AspNetCore.Http;

namespace Jobs.Dashboard.Access;

/// <summary>Whether a form was sent from a page of this dashboard.</summary>
static class SameOrigin
{
    /// <summary>
    /// Browsers say with Sec-Fetch-Site where a request comes from, and no page can write that header. They leave it out
    /// over plain HTTP, except to localhost. Then the header Origin must name the host that was asked.
    /// </summary>
    public static bool Is(HttpRequest request)
    {
        var site = request.Headers["Sec-Fetch-Site"];
        if (site.Count > 0)
        {
            return site is ["same-origin"];
        }

        return request.Headers.Origin is [{ } origin]
            && Uri.TryCreate(origin, UriKind.Absolute, out var from)
            && from.Authority.Equals(Authority(request), StringComparison.OrdinalIgnoreCase);
    }

    // As Uri writes it: without the port that the scheme has anyway.
    static string Authority(HttpRequest request) =>
        Uri.TryCreate($"{request.Scheme}://{request.Host}", UriKind.Absolute, out var asked) ? asked.Authority : "";
}
