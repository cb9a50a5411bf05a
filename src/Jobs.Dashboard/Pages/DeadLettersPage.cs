using Jobs.Dashboard.Access;
using Jobs.Dashboard.Markup;

namespace Jobs.Dashboard.Pages;

/// <summary>The jobs that are given up, by what went wrong and one by one, with the way back to their queues.</summary>
static class DeadLettersPage
{
    const int PageSize = 50;
    const int MostGroups = 20;

    public static async Task<View> ShowAsync(Visit visit)
    {
        var (query, after) = (Query(visit.Field), visit.Field("after"));
        var askingGroups = after is null ? visit.Source.LetterGroupsAsync(query, visit.Stop) : ValueTask.FromResult(default(Sample<IReadOnlyList<DeadLetterGroup>>));
        var letters = await visit.Source.LettersAsync(query, PageSize, after, visit.Stop).ConfigureAwait(false);
        var groups = await askingGroups.ConfigureAwait(false);
        return new("Dead letters", Html.Of($"<h1>Dead letters</h1>{Filters(query)}"), Html.Of($"""
            {(groups.Value is { Count: > 0 } found ? Html.Of($"""<ul class="cards">{found.Take(MostGroups).Select(group => Card(group, query, visit))}</ul>{(found.Count > MostGroups ? Html.Of($"<p>And {Words.Number(found.Count - MostGroups)} more kinds.</p>") : Html.Empty)}""") : Html.Empty)}
            {List(letters, query, after, visit)}
            {Parts.Problem(letters.Problem, groups.Problem)}
            """));
    }

    /// <summary>The letters that the fields of a URL, or of a form, stand for.</summary>
    public static DeadLetterQuery Query(Func<string, string?> field) => new()
    {
        Task = field("task"),
        Queue = field("queue"),
        ExceptionType = field("type"),
        Frame = field("frame"),
        Text = field("text"),
    };

    public static (string Name, string? Value)[] Fields(DeadLetterQuery query) =>
        [("task", query.Task), ("queue", query.Queue), ("type", query.ExceptionType), ("frame", query.Frame), ("text", query.Text)];

    static Html Filters(DeadLetterQuery query) => Html.Of($"""
        <form class="filters" action="dead">
        <label>Task <input name="task" value="{query.Task}" placeholder="news.*"></label>
        <label>Queue <input name="queue" value="{query.Queue}"></label>
        <label>Reason <input name="text" value="{query.Text}" placeholder="any part"></label>
        {Parts.Hidden("type", query.ExceptionType)}{Parts.Hidden("frame", query.Frame)}
        <span class="acts"><button class="main">Show</button> <a href="dead">Clear</a></span>
        </form>
        {(query.ExceptionType is null ? Html.Empty : Html.Of($"""<p class="chosen">Only <bdi>{query.ExceptionType}</bdi> {(query.Frame is null ? Html.Empty : Html.Of($"<code>{query.Frame}</code>"))}</p>"""))}
        """);

    static Html Card(DeadLetterGroup group, DeadLetterQuery query, Visit visit) => Html.Of($"""
        <li class="card"><h2>{(group.ExceptionType is { } type ? Html.Of($"""<a href="{Parts.Address("dead", Fields(query with { ExceptionType = type, Frame = group.Frame }))}"><bdi title="{type}">{FailuresPage.Short(type)}</bdi></a>""") : Html.Of($"No exception"))}</h2>
        <p class="message"><bdi>{group.Reason}</bdi></p>
        {(group.Frame is { Length: > 0 } frame ? Html.Of($"""<p class="frame"><code>{frame}</code></p>""") : Html.Empty)}
        <p class="facts"><span><b>{Words.Number(group.Count)}</b> {(group.Count == 1 ? "letter" : "letters")}</span> <span>in {group.Tasks.Select((task, at) => Html.Of($"{(at == 0 ? "" : ", ")}{Parts.Name(task)}"))}</span> <span>first {Parts.Time(group.First)}</span> <span>last {Parts.Time(group.Last)}</span></p>
        <div class="acts">{(group.ExceptionType is null ? Html.Empty : FailuresPage.RetryAll(group.ExceptionType, group.Frame, group.Count, visit))}</div></li>
        """);

    static Html List(Sample<DeadLetterPage> sample, DeadLetterQuery query, string? after, Visit visit)
    {
        if (sample.Value is not { } page)
        {
            return sample.IsPending ? Parts.Pending("the keeper") : Html.Empty;
        }

        if (page.Letters.Count == 0)
        {
            return Parts.Nothing("No job is dead.");
        }

        var mayAct = visit.May(Rights.Act);
        var table = Parts.Table("Dead letters", [.. mayAct ? ["Select"] : Array.Empty<string>(), "Died", "Task", "Reason", "Queue", "Attempts", "Id"], page.Letters.Select(letter => Row(letter, mayAct)));
        var total = Html.Of($"""<p class="quiet">{Words.Count(page.Total, "dead letter")}</p>""");
        var pages = Html.Of($"""<nav class="pages" aria-label="Pages of the list">{(after is null ? Html.Empty : Html.Of($"""<a href="{Parts.Address("dead", Fields(query))}">First page</a>"""))} {(page.Next is null ? Html.Empty : Html.Of($"""<a rel="next" href="{Parts.Address("dead", [.. Fields(query), ("after", page.Next)])}">Older letters</a>"""))}</nav>""");
        return mayAct
            ? Html.Of($"""{total}<form method="post" class="selection">{Fields(query).Select(field => Parts.Hidden(field.Name, field.Value))}{Buttons(page.Total)}{table}</form>{pages}""")
            : Html.Of($"{total}{table}{pages}");
    }

    static Html Buttons(int total) => Html.Of($"""
        <div class="acts"><label class="select-all" hidden><input type="checkbox" data-all="ids"> All on this page</label>
        <button formaction="retry-dead" class="main">Retry selected</button> <button formaction="delete-dead">Delete selected</button>
        <button formaction="retry-dead" name="all" value="yes">Retry all {Words.Number(total)}</button> <button formaction="delete-dead" name="all" value="yes">Delete all {Words.Number(total)}</button></div>
        """);

    static Html Row(DeadLetterInfo letter, bool mayAct)
    {
        (string, Html)[] cells =
        [
            ("Died", Parts.Time(letter.At)), ("Task", Parts.Name(letter.Task)), ("Reason", Html.Of($"""<bdi title="{letter.Reason}">{(letter.Reason.Length > 160 ? letter.Reason[..160] + "…" : letter.Reason)}</bdi>""")),
            ("Queue", Html.Of($"<bdi>{letter.Queue ?? "–"}</bdi>")), ("Attempts", Parts.Number(letter.Attempts)), ("Id", Parts.Job(letter.Id)),
        ];
        return mayAct
            ? Parts.Row([("Select", Html.Of($"""<input type="checkbox" name="ids" value="{letter.Id}" aria-label="Select {letter.Id}">""")), .. cells])
            : Parts.Row(cells);
    }
}
