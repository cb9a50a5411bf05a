using Jobs.Dashboard.Access;
using Jobs.Dashboard.Markup;

namespace Jobs.Dashboard.Pages;

/// <summary>The jobs that are given up, by what went wrong and one by one, with the way back to their queues.</summary>
static class DeadLettersPage
{
    const int PageSize = 50;
    const int MostGroups = 20;
    const int LongestReason = 160;

    public static async Task<View> ShowAsync(Visit visit)
    {
        var (query, after) = (Query(visit.Field), visit.Field("after"));
        var askingGroups = after is null
            ? visit.Source.LetterGroupsAsync(query, visit.Stop)
            : ValueTask.FromResult(default(Sample<IReadOnlyList<DeadLetterGroup>>));
        var askingNames = Suggestions.AskAsync(visit);
        var letters = await visit.Source.LettersAsync(query, PageSize, after, visit.Stop).ConfigureAwait(false);
        var (groups, suggestions) = (await askingGroups.ConfigureAwait(false), await askingNames.ConfigureAwait(false));
        return new("Dead letters", Html.Of($"<h1>Dead letters</h1>{Filters(query)}{suggestions}"), Html.Of($"""
            {Groups(groups.Value ?? [], query, visit)}
            {List(letters, query, after, visit)}{Parts.Age(letters.At, visit)}
            {Parts.Problem(letters.Problem, groups.Problem)}
            """));
    }

    /// <summary>The letters that the fields of a URL, or of a form, stand for.</summary>
    public static DeadLetterQuery Query(Func<string, string?> field) => new()
    {
        Task = field("task"),
        Queue = field("queue"),
        ExceptionType = field("type"),
        Frame = Parts.PlaceOfField(field("frame")),
        Text = field("text"),
    };

    public static (string Name, string? Value)[] Fields(DeadLetterQuery query) =>
        [("task", query.Task), ("queue", query.Queue), ("type", query.ExceptionType), ("frame", Parts.PlaceInField(query.Frame)), ("text", query.Text)];

    /// <summary>The button that sends all dead letters back that a query selects.</summary>
    public static Html RetryAll(DeadLetterQuery query, int dead, Visit visit) => Parts.If(dead > 0 && visit.May(Rights.Act), Html.Of($"""
        <form method="post" action="retry-dead">{Parts.Hidden("all", "yes")}{Hidden(query)}
        <button class="main">Retry {(dead == 1 ? "the dead job" : $"all {Words.Number(dead)} dead jobs")}</button></form>
        """));

    static IEnumerable<Html> Hidden(DeadLetterQuery query) => Fields(query).Select(field => Parts.Hidden(field.Name, field.Value));

    static Html Filters(DeadLetterQuery query) => Html.Of($"""
        <form class="filters" action="dead">
        <label>Task <input name="task" list="tasks" value="{query.Task}" placeholder="news.*"></label>
        <label>Queue <input name="queue" list="queues" value="{query.Queue}"></label>
        <label>Reason <input name="text" value="{query.Text}" placeholder="any part"></label>
        {Parts.Hidden("type", query.ExceptionType)}{Parts.Hidden("frame", Parts.PlaceInField(query.Frame))}
        <span class="acts"><button class="main">Show</button> <a href="dead">Clear</a></span>
        </form>
        {Parts.IfKnown(query.ExceptionType, type => Html.Of($"""<p class="chosen">Only <bdi>{type}</bdi> {Frame(query.Frame)}</p>"""))}
        """);

    static Html Frame(string? frame) => Parts.IfKnown(Parts.PlaceInField(frame), place => Html.Of($"<code>{place}</code>"));

    static Html Groups(IReadOnlyList<DeadLetterGroup> groups, DeadLetterQuery query, Visit visit)
    {
        if (groups.Count == 0)
        {
            return Html.Empty;
        }

        var more = groups.Count - MostGroups;
        return Html.Of($"""
            <ul class="cards">{groups.Take(MostGroups).Select(group => Card(group, query, visit))}</ul>
            {Parts.If(more > 0, Html.Of($"<p>And {Words.Number(more)} more kinds.</p>"))}
            """);
    }

    static Html Card(DeadLetterGroup group, DeadLetterQuery query, Visit visit)
    {
        var retry = group.ExceptionType is null ? Html.Empty : RetryAll(Of(group, query), group.Count, visit);
        return Html.Of($"""
            <li class="card"><h2>{Heading(group, query)}</h2>
            <p class="message"><bdi>{group.Reason}</bdi></p>
            {Parts.If(!string.IsNullOrEmpty(group.Frame), Html.Of($"""<p class="frame">{Frame(group.Frame)}</p>"""))}
            <p class="facts"><span><b>{Words.Number(group.Count)}</b> {(group.Count == 1 ? "letter" : "letters")}</span>
            <span>in {Parts.Names(group.Tasks)}</span> <span>first {Parts.Time(group.First)}</span> <span>last {Parts.Time(group.Last)}</span></p>
            <div class="acts">{retry}</div></li>
            """);
    }

    // The letters of the group, and no others: the filters of the page count too.
    static DeadLetterQuery Of(DeadLetterGroup group, DeadLetterQuery query) =>
        query with { ExceptionType = group.ExceptionType, Frame = group.Frame ?? "" };

    static Html Heading(DeadLetterGroup group, DeadLetterQuery query)
    {
        if (group.ExceptionType is not { } type)
        {
            return Html.Of($"No exception");
        }

        var address = Parts.Address("dead", Fields(Of(group, query)));
        return Html.Of($"""<a href="{address}"><bdi title="{type}">{FailuresPage.Short(type)}</bdi></a>""");
    }

    static Html List(Sample<DeadLetterPage> sample, DeadLetterQuery query, string? after, Visit visit)
    {
        if (sample.Value is not { } page)
        {
            return sample.IsPending ? Parts.Pending("the keeper") : Html.Empty;
        }

        if (page.Letters.Count == 0)
        {
            return Parts.Nothing(Fields(query).All(field => field.Value is null) ? "No job is dead." : "No dead letter is like this.");
        }

        var mayAct = visit.May(Rights.Act);
        string[] columns = [.. mayAct ? ["Select"] : Array.Empty<string>(), "Died", "Task", "Reason", "Queue", "Attempts", "Id"];
        var table = Parts.Table("Dead letters", columns, page.Letters.Select(letter => Row(letter, mayAct)));
        var total = Html.Of($"""<p class="quiet">{Words.Count(page.Total, "dead letter")}</p>""");
        var pages = Parts.Pages(
            after is null ? null : Parts.Address("dead", Fields(query)),
            page.Next is null ? null : Parts.Address("dead", [.. Fields(query), ("after", page.Next)]),
            "Older letters");
        return mayAct
            ? Html.Of($"{total}{Selection(query, page.Total, table)}{pages}")
            : Html.Of($"{total}{table}{pages}");
    }

    static Html Selection(DeadLetterQuery query, int total, Html table) => Html.Of($"""
        <form method="post" class="selection">
        {Hidden(query)}
        {Buttons(total)}
        {table}
        </form>
        """);

    static Html Buttons(int total) => Html.Of($"""
        <div class="acts">{Parts.SelectAllBox()}
        <button formaction="retry-dead" class="main">Retry selected</button> <button formaction="delete-dead">Delete selected</button>
        <button formaction="retry-dead" name="all" value="yes">Retry all {Words.Number(total)}</button>
        <button formaction="delete-dead" name="all" value="yes">Delete all {Words.Number(total)}</button></div>
        """);

    static Html Row(DeadLetterInfo letter, bool mayAct)
    {
        var reason = letter.Reason.Length > LongestReason ? letter.Reason[..LongestReason] + "…" : letter.Reason;
        (string, Html)[] cells =
        [
            ("Died", Parts.Time(letter.At)),
            ("Task", Parts.Name(letter.Task)),
            ("Reason", Html.Of($"""<bdi title="{letter.Reason}">{reason}</bdi>""")),
            ("Queue", Html.Of($"<bdi>{letter.Queue ?? "–"}</bdi>")),
            ("Attempts", Parts.Number(letter.Attempts)),
            ("Id", Parts.Job(letter.Id)),
        ];
        return mayAct ? Parts.Row([("Select", Parts.SelectBox(letter.Id)), .. cells]) : Parts.Row(cells);
    }
}
