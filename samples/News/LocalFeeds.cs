using System.Globalization;
using System.Xml.Linq;

namespace News;

/// <summary>Two feeds computed from the clock, so that the site has news without a network.</summary>
static class LocalFeeds
{
    const int Stories = 40;

    static readonly TimeSpan storyEvery = TimeSpan.FromSeconds(30);
    static readonly string[] verbs = ["beat", "hold", "edge past", "travel to", "lose to", "recover against"];
    static readonly string[] notes = ["late drama", "record crowd", "captain out injured", "rain delays start", "debutant shines", "series level"];

    static readonly Dictionary<string, string[]> teams = new()
    {
        ["cricket"] = ["India", "Australia", "New Zealand", "Pakistan", "England", "South Africa", "Sri Lanka"],
        ["football"] = ["Ajax", "Benfica", "Celtic", "Dortmund", "Everton", "Flamengo", "Galatasaray"],
    };

    public static void Map(WebApplication app)
    {
        app.MapGet("/feeds/{source}.xml", (string source, CommandLine options, TimeProvider time) =>
            teams.ContainsKey(source) ? Results.Text(Feed(source, options.Site, time.GetUtcNow()), "application/rss+xml") : Results.NotFound());
        app.MapGet("/stories/{source}/{number:long:min(0)}", (string source, long number) =>
            teams.ContainsKey(source) ? Results.Text(Pages.Story(Title(source, number)), "text/html") : Results.NotFound());
    }

    static string Feed(string source, string site, DateTimeOffset now)
    {
        var latest = now.ToUnixTimeSeconds() / (long)storyEvery.TotalSeconds;
        var items =
            from age in Enumerable.Range(0, Stories)
            let number = latest - age
            select new XElement(
                "item",
                new XElement("title", Title(source, number)),
                new XElement("link", $"{site}/stories/{source}/{number}"),
                new XElement("pubDate", DateTimeOffset.FromUnixTimeSeconds(number * (long)storyEvery.TotalSeconds).ToString("r", CultureInfo.InvariantCulture)));
        return new XDocument(new XElement("rss", new XAttribute("version", "2.0"), new XElement("channel", new XElement("title", source), items))).ToString();
    }

    static string Title(string source, long number)
    {
        var names = teams[source];
        var home = (int)(number % names.Length);
        var away = (home + 1 + (int)(number / 7 % (names.Length - 1))) % names.Length; // never the same team
        return $"{names[home]} {verbs[number / 2 % verbs.Length]} {names[away]}: {notes[number / 3 % notes.Length]}";
    }
}
