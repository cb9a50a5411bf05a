using Jobs.Dashboard.Markup;

namespace Jobs.Dashboard.Pages;

/// <summary>How far back a page looks.</summary>
/// <param name="Name">Its name in the URL.</param>
/// <param name="From">Where it begins; <see langword="null"/> for everything.</param>
readonly record struct Period(string Name, DateTimeOffset? From)
{
    static readonly (string Name, string Words, TimeSpan? Span)[] all =
        [("hour", "Last hour", TimeSpan.FromHours(1)), ("day", "Last day", TimeSpan.FromDays(1)), ("all", "All", null)];

    public static Period Of(Visit visit)
    {
        var name = visit.Field("since") ?? "day";
        var found = Array.Find(all, one => one.Name == name) is { Name: not null } known ? known : all[1];
        return new(found.Name, found.Span is { } span ? visit.Now - span : null);
    }

    public static Html Tabs(Period chosen, string path, params (string Name, string? Value)[] fields)
    {
        var tabs = all.Select(one => Html.Of($"""
            <a href="{Parts.Address(path, [("since", one.Name), .. fields])}"{Parts.Current(one.Name == chosen.Name)}>{one.Words}</a>
            """));
        return Html.Of($"""<span class="tabs">{tabs}</span>""");
    }
}
