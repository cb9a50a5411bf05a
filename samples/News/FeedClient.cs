using System.Globalization;
using System.Xml;
using System.Xml.Linq;
using Jobs;

namespace News;

/// <summary>One story in a feed.</summary>
sealed record Headline(string Link, string Title, DateTimeOffset? Published);

/// <summary>Fetches RSS and Atom feeds.</summary>
sealed class FeedClient(HttpClient http, CommandLine options)
{
    public const int MaxBytes = 2 * 1024 * 1024;

    // A feed is text from a stranger. Without a DTD no entity can grow or read a file.
    static readonly XmlReaderSettings settings = new() { DtdProcessing = DtdProcessing.Prohibit, XmlResolver = null };

    /// <exception cref="DeadJobException">There is no such source.</exception>
    /// <exception cref="HttpRequestException">The feed cannot be reached, or is too large.</exception>
    /// <exception cref="XmlException">The feed is not well-formed.</exception>
    public async Task<IReadOnlyList<Headline>> FetchAsync(string source, CancellationToken cancellationToken)
    {
        if (!options.Feeds.TryGetValue(source, out var address))
        {
            throw new DeadJobException($"There is no source '{source}'; this worker knows {string.Join(", ", options.Feeds.Keys)}.");
        }

        // The whole feed, up to HttpClient.MaxResponseContentBufferSize.
        using var content = new MemoryStream(await http.GetByteArrayAsync(address, cancellationToken));
        return Parse(content);
    }

    static IReadOnlyList<Headline> Parse(Stream content)
    {
        using var reader = XmlReader.Create(content, settings);
        var feed = XDocument.Load(reader);

        // RSS has <item>, Atom has <entry>. Their namespaces differ between versions and say nothing that we need.
        return [.. feed.Descendants().Where(e => e.Name.LocalName is "item" or "entry").Select(Read).OfType<Headline>()];
    }

    static Headline? Read(XElement story)
    {
        var title = Text(story, "title");
        var link = Text(story, "link") is { Length: > 0 } rss ? rss : AtomLink(story);

        // Only http and https become links on our pages: never javascript: and the like.
        return title.Length > 0 && Uri.TryCreate(link, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"
            ? new(uri.AbsoluteUri, title, Published(story))
            : null;
    }

    static string? AtomLink(XElement entry) => entry.Elements()
        .FirstOrDefault(e => e.Name.LocalName == "link" && (string?)e.Attribute("rel") is null or "alternate")
        ?.Attribute("href")?.Value;

    static DateTimeOffset? Published(XElement story) =>
        new[] { "pubDate", "published", "updated", "date" }
            .Select(name => DateTimeOffset.TryParse(Text(story, name), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at : (DateTimeOffset?)null)
            .FirstOrDefault(at => at is not null);

    static string Text(XElement story, string name) =>
        story.Elements().FirstOrDefault(e => e.Name.LocalName == name)?.Value.Trim() ?? "";
}
