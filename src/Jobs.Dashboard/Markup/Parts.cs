using System.Globalization;
using Jobs.Dashboard.Arguments;

namespace Jobs.Dashboard.Markup;

/// <summary>What several pages have in common.</summary>
static class Parts
{
    const int LongestInList = 2_048;
    const string NoPlace = "(unknown)";

    static readonly TimeSpan old = TimeSpan.FromSeconds(10);

    /// <summary>A piece that is there only when something is so.</summary>
    public static Html If(bool condition, Html piece) => condition ? piece : Html.Empty;

    /// <summary>A piece about a value, when there is one.</summary>
    public static Html IfKnown<T>(T? value, Func<T, Html> show)
        where T : struct => value is { } known ? show(known) : Html.Empty;

    /// <summary>A piece about a value, when there is one.</summary>
    public static Html IfKnown<T>(T? value, Func<T, Html> show)
        where T : class => value is { } known ? show(known) : Html.Empty;

    /// <summary>The attribute of the one element, among others, that is shown now.</summary>
    public static Html Current(bool isCurrent, string kind = "true") => If(isCurrent, Html.Of($" aria-current=\"{kind}\""));

    /// <summary>An option of a choice.</summary>
    public static Html Option(string name, bool isChosen) => Html.Of($"""<option{If(isChosen, Html.Of($" selected"))}>{name}</option>""");

    /// <summary>A time. The script shows it in the reader's zone; without a script it is in UTC.</summary>
    public static Html Time(DateTimeOffset? time) => time is { } at
        ? Html.Of($"""<time datetime="{Iso(at)}" title="{Utc(at, "yyyy-MM-dd HH:mm:ss.fff")}">{Utc(at, "d MMM HH:mm:ss")}</time>""")
        : Html.Of($"–");

    /// <summary>How long ago something was; the exact time when the pointer rests on it.</summary>
    public static Html Ago(DateTimeOffset? time, DateTimeOffset now)
    {
        if (time is not { } at)
        {
            return Html.Of($"–");
        }

        var says = at > now ? $"in {Words.Whole(at - now)}" : Words.Ago(now - at);
        return Html.Of($"""<time class="ago" datetime="{Iso(at)}" title="{Utc(at, "yyyy-MM-dd HH:mm:ss")}">{says}</time>""");
    }

    public static string Iso(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    /// <summary>A state, in words and in colour.</summary>
    public static Html State(JobState state)
    {
        var name = Name(state);
        return Html.Of($"""<span class="state {name}">{name}</span>""");
    }

    /// <summary>A state as URLs, classes and readers have it.</summary>
    public static string Name(JobState state) => state.ToString().ToLowerInvariant();

    /// <summary>An id with the way to its job.</summary>
    public static Html Job(string id) => Html.Of($"""<a class="id" href="job?id={Uri.EscapeDataString(id)}" title="{id}"><bdi dir="ltr">{id}</bdi></a>""");

    /// <summary>A name that somebody else has chosen.</summary>
    public static Html Name(string? name) => name is null
        ? Html.Of($"""<span class="quiet">unknown</span>""")
        : Html.Of($"""<bdi class="name">{name}</bdi>""");

    /// <summary>Names that somebody else has chosen, with commas.</summary>
    public static Html Names(IEnumerable<string> names) => Commas(names.Select(Name));

    /// <summary>Pieces with commas between them.</summary>
    public static Html Commas(IEnumerable<Html> pieces) => Html.Join(pieces.Select((piece, at) => at == 0 ? piece : Html.Of($", {piece}")));

    /// <summary>The jobs that run, and for how long.</summary>
    public static Html Running(IEnumerable<RunningJobInfo> jobs, DateTimeOffset now)
    {
        var lines = jobs.Select(job => Html.Of($"<li>{Name(job.Task)} {Job(job.Id)} <span>for {Words.Span(now - job.StartedAt)}</span></li>"));
        return Html.Of($"""<ul class="lines">{lines}</ul>""");
    }

    /// <summary>A text to copy.</summary>
    public static Html Copyable(string text) => Html.Of($"""
        <span class="copyable"><code>{text}</code> {CopyButton(text)}</span>
        """);

    /// <summary>A button that copies a text. The script shows it.</summary>
    public static Html CopyButton(string text) => Html.Of($"""<button type="button" class="copy" data-copy="{text}" hidden>Copy</button>""");

    /// <summary>What may be missing on this page; nothing when there is no problem.</summary>
    public static Html Problem(params string?[] problems)
    {
        var all = problems.OfType<string>().Distinct().ToList();
        return If(all.Count > 0, Html.Of($"""
            <p class="note warn" role="status"><b>Something may be missing:</b> {string.Join("; ", all)}</p>
            """));
    }

    /// <summary>How old an answer is that takes long to find; nothing for a new one.</summary>
    public static Html Age(DateTimeOffset at, Visit visit) => If(at != default && visit.Now - at > old, Html.Of($"""
        <p class="quiet small">As of {Time(at)}: it takes long to find. <a href="">Load again</a></p>
        """));

    /// <summary>What stands in the place of an empty list.</summary>
    public static Html Nothing(string text) => Html.Of($"""<p class="nothing">{text}</p>""");

    /// <summary>What stands there while the first answer of this process is awaited.</summary>
    public static Html Pending(string what) => Html.Of($"""<p class="nothing pending">Asking for {what} … <a href="">Load again</a></p>""");

    /// <summary>Arguments in a list: one line, cut after 2 KB.</summary>
    public static Html Arguments(JobInfo job, Visit visit)
    {
        if (!visit.May(Access.Rights.Arguments))
        {
            return Html.Of($"""<span class="quiet">hidden</span>""");
        }

        var (text, named) = (Short(job.Arguments, "[]", visit), Short(job.NamedArguments, "{}", visit));
        text = named.Length > 0 ? $"{text} {named}" : text;
        return Html.Of($"""<code class="args" title="{text}">{text}</code>""");
    }

    static string Utc(DateTimeOffset time, string format) => $"{time.UtcDateTime.ToString(format, CultureInfo.InvariantCulture)} UTC";

    static string Short(string? python, string empty, Visit visit)
    {
        if (python is null)
        {
            return "";
        }

        var json = ArgumentText.Of(python, visit.Site.SensitiveNames, isIndented: false).Json;
        return json == empty ? "" : json.Length > LongestInList ? json[..LongestInList] + "…" : json;
    }

    /// <summary>A table; on a narrow screen each row becomes a card. The rows come from <see cref="Row"/>.</summary>
    public static Html Table(string caption, IEnumerable<string> columns, IEnumerable<Html> rows) => Html.Of($"""
        <div class="scroll"><table><caption class="unseen">{caption}</caption>
        <thead><tr>{columns.Select(column => Html.Of($"""<th scope="col">{column}</th>"""))}</tr></thead>
        <tbody>{rows}</tbody></table></div>
        """);

    /// <summary>The ways to the first and to the next page of a list, where there are such.</summary>
    public static Html Pages(string? first, string? next, string nextName) => Html.Of($"""
        <nav class="pages" aria-label="Pages of the list">
        {IfKnown(first, address => Html.Of($"""<a href="{address}">First page</a>"""))}
        {IfKnown(next, address => Html.Of($"""<a rel="next" href="{address}">{nextName}</a>"""))}
        </nav>
        """);

    /// <summary>The box that selects one job of a list.</summary>
    public static Html SelectBox(string id) => Html.Of($"""<input type="checkbox" name="ids" value="{id}" aria-label="Select {id}">""");

    /// <summary>The box that selects all jobs on the page. The script shows it.</summary>
    public static Html SelectAllBox() => Html.Of($"""
        <label class="select-all" hidden><input type="checkbox" data-all="ids"> All on this page</label>
        """);

    /// <summary>A row; each cell says what its column is.</summary>
    public static Html Row(params (string Column, Html Cell)[] cells) =>
        Html.Of($"<tr>{cells.Select(cell => Html.Of($"""<td data-label="{cell.Column}"><div>{cell.Cell}</div></td>"""))}</tr>");

    /// <summary>A number, set so that digits stand below each other.</summary>
    public static Html Number(long? number) => Html.Of($"""<span class="number">{Words.Number(number)}</span>""");

    /// <summary>A field that is not seen.</summary>
    public static Html Hidden(string name, string? value) =>
        IfKnown(value, known => Html.Of($"""<input type="hidden" name="{name}" value="{known}">"""));

    /// <summary>
    /// The place of a failure as a field has it. Fields that are empty count for nothing, so a place that nobody knows has
    /// a name there.
    /// </summary>
    public static string? PlaceInField(string? frame) => frame is "" ? NoPlace : frame;

    /// <summary>The place of a failure that a field stands for.</summary>
    public static string? PlaceOfField(string? field) => field is NoPlace ? "" : field;

    /// <summary>An address with fields; those without a value are left out.</summary>
    public static string Address(string path, params (string Name, string? Value)[] fields)
    {
        var given = fields.Where(field => !string.IsNullOrEmpty(field.Value));
        var query = string.Join('&', given.Select(field => $"{field.Name}={Uri.EscapeDataString(field.Value!)}"));
        return query.Length == 0 ? path : $"{path}?{query}";
    }
}
