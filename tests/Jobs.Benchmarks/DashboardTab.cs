using System.Collections.Concurrent;
using System.Net;

namespace Jobs.Benchmarks;

/// <summary>Does what the script of an open page does: gets the page once, and its live part every two seconds.</summary>
static class DashboardTab
{
    static readonly TimeSpan every = TimeSpan.FromSeconds(2);

    /// <summary>Opens tabs that ask in turn, and not all at once, until somebody closes them.</summary>
    /// <param name="http">The browser, whose address ends with the dashboard's.</param>
    /// <param name="pages">A page for each tab.</param>
    /// <param name="count">Counts what is asked.</param>
    /// <param name="closed">Closes them.</param>
    public static Task OpenAsync(HttpClient http, IReadOnlyList<string> pages, Counter count, CancellationToken closed) =>
        Task.WhenAll(pages.Select((page, at) => LookAsync(http, page, every * at / pages.Count, count, closed)));

    /// <summary>A browser.</summary>
    public static HttpClient Browser(Uri dashboard)
    {
        var http = new HttpClient(new SocketsHttpHandler { UseCookies = false, MaxConnectionsPerServer = 6 }) { BaseAddress = dashboard };
        http.DefaultRequestHeaders.Add("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8");
        http.DefaultRequestHeaders.Add("Accept-Language", "en-GB,en;q=0.9");
        http.DefaultRequestHeaders.Add("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36");
        http.DefaultRequestHeaders.Add("Sec-Fetch-Site", "same-origin");
        http.DefaultRequestHeaders.Add("Sec-Fetch-Mode", "cors");
        http.DefaultRequestHeaders.Add("Sec-Fetch-Dest", "empty");
        return http;
    }

    /// <summary>Gets a page, or its live part.</summary>
    /// <returns>The text, and its tag; no text when it is the one with the tag that the caller has.</returns>
    public static async Task<(string? Text, string? Tag)> GetAsync(HttpClient http, string page, bool isFragment, string? tag, CancellationToken closed)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, page);
        if (isFragment)
        {
            request.Headers.Add("Jobs-Fragment", "1");
        }

        if (tag is not null)
        {
            request.Headers.TryAddWithoutValidation("If-None-Match", tag);
        }

        using var answer = await http.SendAsync(request, closed);
        if (answer.StatusCode == HttpStatusCode.NotModified)
        {
            return (null, tag);
        }

        answer.EnsureSuccessStatusCode();
        return (await answer.Content.ReadAsStringAsync(closed), answer.Headers.ETag?.ToString());
    }

    static async Task LookAsync(HttpClient http, string page, TimeSpan after, Counter count, CancellationToken closed)
    {
        try
        {
            await Task.Delay(after, closed);
            await GetAsync(http, page, isFragment: false, null, closed);
            for (string? tag = null; ;)
            {
                await Task.Delay(every, closed);
                (var text, tag) = await GetAsync(http, page, isFragment: true, tag, closed);
                count.Add(page, text?.Length);
            }
        }
        catch (OperationCanceledException) when (closed.IsCancellationRequested)
        {
        }
    }

    /// <summary>Counts what tabs ask and get.</summary>
    public sealed class Counter
    {
        int asked;
        int unchanged;

        public int Asked => asked;

        /// <summary>How many answers said that nothing has changed.</summary>
        public int Unchanged => unchanged;

        /// <summary>How long the last answer was, for each page.</summary>
        public ConcurrentDictionary<string, int> Sizes { get; } = new();

        public void Add(string page, int? size)
        {
            Interlocked.Increment(ref asked);
            if (size is { } known)
            {
                Sizes[page] = known;
            }
            else
            {
                Interlocked.Increment(ref unchanged);
            }
        }
    }
}
