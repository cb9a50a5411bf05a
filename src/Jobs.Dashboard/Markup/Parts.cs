using System.Globalization;
using Jobs.Dashboard.Arguments;

namespace Jobs.Dashboard.Markup;

/// <summary>What several pages have in common.</summary>
static class Parts
{
    const int LongestInList = 2_048;

    /// <summary>A time. The script shows it in the reader's zone; without a script it is in UTC.</summary>
    public static Html Time(DateTimeOffset? time) => time is { } at
        ? Html.Of($"""<time datetime="{Iso(at)}" title="{at.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.fff", CultureInfo.InvariantCulture)} UTC">{at.UtcDateTime.ToString("d MMM HH:mm:ss", CultureInfo.InvariantCulture)} UTC</time>""")
        : Html.Of($"–");

    /// <summary>How long ago something was; the exact time when the pointer rests on it.</summary>
    public static Html Ago(DateTimeOffset? time, DateTimeOffset now) => time is { } at
        ? Html.Of($"""<time class="ago" datetime="{Iso(at)}" title="{at.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture)} UTC">{(at > now ? $"in {Words.Whole(at - now)}" : Words.Ago(now - at))}</time>""")
        : Html.Of($"–");

    public static string Iso(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    /// <summary>A state, in words and in colour.</summary>
    public static Html State(JobState state) => Html.Of($"""<span class="state {state.ToString().ToLowerInvariant()}">{state.ToString().ToLowerInvariant()}</span>""");

    /// <summary>An id with the way to its job.</summary>
    public static Html Job(string id) => Html.Of($"""<a class="id" href="job?id={Uri.EscapeDataString(id)}" title="{id}">{id}</a>""");

    /// <summary>A name that somebody else has chosen.</summary>
    public static Html Name(string? name) => name is null ? Html.Of($"""<span class="quiet">unknown</span>""") : Html.Of($"""<bdi class="name">{name}</bdi>""");

    /// <summary>A text to copy.</summary>
    public static Html Copyable(string text) => Html.Of($"""<span class="copyable"><code>{text}</code> <button type="button" class="copy" data-copy="{text}" hidden>Copy</button></span>""");

    /// <summary>What may be missing on this page; nothing when there is no problem.</summary>
    public static Html Problem(params string?[] problems)
    {
        var all = problems.OfType<string>().Distinct().ToList();
        return all.Count == 0 ? Html.Empty : Html.Of($"""<p class="note warn" role="status"><b>Something may be missing:</b> {string.Join("; ", all)}</p>""");
    }

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

        var text = Short(job.Arguments, "[]", visit) + (Short(job.NamedArguments, "{}", visit) is { Length: > 0 } named ? $" {named}" : "");
        return Html.Of($"""<code class="args" title="{text}">{text}</code>""");
    }

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
        <div class="scroll"><table><caption class="unseen">{caption}</caption><thead><tr>{columns.Select(column => Html.Of($"""<th scope="col">{column}</th>"""))}</tr></thead><tbody>{rows}</tbody></table></div>
        """);

    /// <summary>A row; each cell says what its column is.</summary>
    public static Html Row(params (string Column, Html Cell)[] cells) =>
        Html.Of($"<tr>{cells.Select(cell => Html.Of($"""<td data-label="{cell.Column}"><div>{cell.Cell}</div></td>"""))}</tr>");

    /// <summary>A number, set so that digits stand below each other.</summary>
    public static Html Number(long? number) => Html.Of($"""<span class="number">{Words.Number(number)}</span>""");

    /// <summary>A field that is not seen.</summary>
    public static Html Hidden(string name, string? value) => value is null ? Html.Empty : Html.Of($"""<input type="hidden" name="{name}" value="{value}">""");

    /// <summary>An address with fields; those without a value are left out.</summary>
    public static string Address(string path, params (string Name, string? Value)[] fields)
    {
        var query = string.Join('&', fields.Where(field => !string.IsNullOrEmpty(field.Value)).Select(field => $"{field.Name}={Uri.EscapeDataString(field.Value!)}"));
        return query.Length == 0 ? path : $"{path}?{query}";
    }
}
