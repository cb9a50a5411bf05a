using Jobs.Dashboard.Access;
using Microsoft.AspNetCore.Http;

namespace Jobs.Dashboard;

/// <summary>One request of a visitor, and what its page needs.</summary>
/// <param name="http">The request.</param>
/// <param name="rights">What the visitor may do.</param>
/// <param name="site">What all requests share.</param>
sealed class Visit(HttpContext http, Rights rights, Site site)
{
    const int LongestText = 1_000;

    public HttpContext Http => http;

    public Site Site => site;

    public Source Source { get; } = http.Request.Headers.ContainsKey(DashboardHandler.FragmentHeader) ? site.Source.ForRefresh() : site.Source;

    public DateTimeOffset Now { get; } = site.Time.GetUtcNow();

    /// <summary>Ends when the visitor leaves.</summary>
    public CancellationToken Stop => http.RequestAborted;

    /// <summary>Whether the script asks, for the part of the page that changes.</summary>
    public bool IsFragment => http.Request.Headers.ContainsKey(DashboardHandler.FragmentHeader);

    public bool May(Rights right) => rights.HasFlag(right);

    /// <summary>A field of the URL; <see langword="null"/> when it is missing or empty.</summary>
    public string? Field(string name) => Text(http.Request.Query[name]);

    /// <summary>A field of a form, or of a URL: cut, without spaces around it, and <see langword="null"/> when it is empty.</summary>
    public static string? Text(string? value) =>
        value?.Trim() is { Length: > 0 } text ? text[..Math.Min(text.Length, LongestText)] : null;
}
