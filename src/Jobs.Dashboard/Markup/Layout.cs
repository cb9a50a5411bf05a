using Jobs.Dashboard.Access;

namespace Jobs.Dashboard.Markup;

/// <summary>What a page shows: a part that stays while the page is open, and a part that is fetched every two seconds.</summary>
/// <param name="Title">The title.</param>
/// <param name="Fixed">Heading, filters and forms.</param>
/// <param name="Live">What changes.</param>
readonly record struct View(string Title, Html Fixed, Html Live)
{
    /// <summary>The status of the response.</summary>
    public int Status { get; init; } = 200;
}

/// <summary>The frame of all pages. Every address in it is relative, and all pages lie in one folder.</summary>
static class Layout
{
    static readonly (string Path, string Name)[] pages =
    [
        ("", "Now"), ("failures", "Failures"), ("queues", "Queues"), ("jobs", "Jobs"), ("workers", "Workers"), ("schedules", "Schedules"),
        ("dead", "Dead letters"),
    ];

    public static Html Page(View view, string path, Visit visit) => Html.Of($"""
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>{view.Title} · {visit.Site.Title}</title>
        <link rel="icon" href="{AssetFiles.Icon}" type="image/svg+xml">
        <link rel="stylesheet" href="{AssetFiles.Style}">
        <script src="{AssetFiles.Script}" defer></script>
        </head>
        <body>
        <a class="skip" href="#main">Skip to the content</a>
        <header class="top">
        <a class="brand" href="./">{visit.Site.Title}</a>
        <nav aria-label="Pages">{pages.Select(page => Link(page, path))}</nav>
        <form class="find" action="jobs" role="search">
        <input type="search" name="q" aria-label="Find jobs by {Findable(visit).ToLowerInvariant()}" placeholder="{Findable(visit)}"><button>Find</button>
        </form>
        </header>
        <main id="main" tabindex="-1">
        {view.Fixed}
        <div id="live">{view.Live}</div>
        </main>
        <footer><span id="pulse" role="status"></span>{Parts.If(!visit.May(Rights.Act), Html.Of($"<span>Read only</span>"))}<span>Jobs</span></footer>
        </body>
        </html>
        """);

    /// <summary>A page with a sentence, and nothing else.</summary>
    public static View Message(string title, Html text, int status = 200) =>
        new(title, Html.Of($"<h1>{title}</h1><p>{text}</p>"), Html.Empty) { Status = status };

    static Html Link((string Path, string Name) page, string path)
    {
        var address = page.Path.Length == 0 ? "./" : page.Path;
        return Html.Of($"""<a href="{address}"{Parts.Current(page.Path == Section(path), "page")}>{page.Name}</a>""");
    }

    static string Findable(Visit visit) => visit.May(Rights.Arguments) ? "Id or argument" : "Id";

    // The pages that have no link of their own.
    static string Section(string path) => path switch
    {
        "job" => "jobs",
        "delayed" => "queues",
        "schedule" => "schedules",
        "request" or "confirm" => "dead",
        _ => path,
    };
}
