using System.Globalization;
using Jobs.Dashboard.Access;
using Jobs.Dashboard.Markup;

namespace Jobs.Dashboard.Pages;

/// <summary>Finds jobs. The whole search is in the URL, so it can be shared and kept as a bookmark.</summary>
static class JobListPage
{
    const DateTimeStyles InUtc = DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal;

    static readonly JobState[] states =
        [JobState.Queued, JobState.Running, JobState.Retrying, JobState.Succeeded, JobState.Dead, JobState.Expired, JobState.Revoked];

    public static async Task<View> ShowAsync(Visit visit)
    {
        var query = Query(visit, visit.Field);
        if (WhyNot(query, visit) is { } why)
        {
            return Layout.Message("Jobs", Html.Of($"{why}"), 403);
        }

        var asking = Suggestions.AskAsync(visit);
        var found = await SearchAsync(query, visit).ConfigureAwait(false);
        if (visit.Field("q") is { } any && visit.May(Rights.Arguments) && found.Value is { Jobs.Count: 0 })
        {
            var other = query.Id == any ? query with { Id = null, ArgumentText = any } : query with { Id = any, ArgumentText = null };
            var second = await SearchAsync(other, visit).ConfigureAwait(false);
            (query, found) = second.Value is { Jobs.Count: > 0 } ? (other, second) : (query, found);
        }

        var suggestions = await asking.ConfigureAwait(false);
        var live = Html.Of($"{List(found, query, visit)}{Parts.Age(found.At, visit)}{Parts.Problem(found.Value?.Problem, found.Problem)}");
        return new("Jobs", Html.Of($"<h1>Jobs</h1>{Filters(query, visit)}{suggestions}"), live);
    }

    static async Task<Sample<JobPage>> SearchAsync(JobQuery query, Visit visit)
    {
        try
        {
            return await visit.Source.SearchAsync(query, visit.Stop).ConfigureAwait(false);
        }
        catch (ArgumentException e)
        {
            return new(null, e.Message, visit.Now);
        }
    }

    /// <summary>The search that the fields of a URL, or of a form, stand for.</summary>
    public static JobQuery Query(Visit visit, Func<string, string?> field)
    {
        var (any, id, arguments) = (field("q"), field("id"), field("args"));
        (id, arguments) = any is null ? (id, arguments)
            : IsLikeId(any) || !visit.May(Rights.Arguments) ? (any, arguments)
            : (id, any);
        return new()
        {
            Id = id,
            ArgumentText = arguments,
            Task = field("task"),
            Queue = field("queue"),
            Worker = field("worker"),
            ErrorText = field("error"),
            ErrorType = field("type"),
            ErrorFrame = Parts.PlaceOfField(field("frame")),
            States = [.. (field("state") ?? "").Split(',').Select(State).OfType<JobState>()],
            From = Time(field("from")),
            To = Time(field("to")),
            Cursor = field("after"),
        };
    }

    /// <summary>
    /// Why the visitor may not search for this: who tries one argument after another, and sees what is found, knows them.
    /// </summary>
    public static string? WhyNot(JobQuery query, Visit visit) => query.ArgumentText is not null && !visit.May(Rights.Arguments)
        ? "You do not have the right to see arguments, so you cannot search for them."
        : null;

    /// <summary>The fields of a search.</summary>
    public static (string Name, string? Value)[] Fields(JobQuery query) =>
    [
        ("id", query.Id), ("task", query.Task), ("queue", query.Queue), ("worker", query.Worker), ("args", query.ArgumentText), ("error", query.ErrorText),
        ("type", query.ErrorType), ("frame", Parts.PlaceInField(query.ErrorFrame)), ("state", string.Join(',', query.States).ToLowerInvariant()),
        ("from", Text(query.From)), ("to", Text(query.To)),
    ];

    static Html Filters(JobQuery query, Visit visit) => Html.Of($"""
        <form class="filters" action="jobs">
        <label>Task <input name="task" list="tasks" value="{query.Task}" placeholder="news.*"></label>
        {Parts.If(visit.May(Rights.Arguments), ArgumentField(query))}
        <label>State <select name="state"><option value="">any</option>{states.Select(state => Option(state, query))}</select></label>
        <label>Queue <input name="queue" list="queues" value="{query.Queue}"></label>
        <label>Error <input name="error" value="{query.ErrorText}" placeholder="any part"></label>
        <label>Id <input name="id" value="{query.Id}" placeholder="or its beginning"></label>
        <label>From<span class="zone">, UTC</span> <input name="from" type="datetime-local" step="1" value="{Text(query.From)}"></label>
        <label>To<span class="zone">, UTC</span> <input name="to" type="datetime-local" step="1" value="{Text(query.To)}"></label>
        {Parts.Hidden("type", query.ErrorType)}{Parts.Hidden("frame", Parts.PlaceInField(query.ErrorFrame))}{Parts.Hidden("worker", query.Worker)}
        <span class="acts"><button class="main">Search</button> <a href="jobs">Clear</a></span>
        </form>
        {Parts.IfKnown(query.Worker, worker => OfWorker(worker, query))}
        {Parts.IfKnown(query.ErrorType, type => OfError(type, query))}
        """);

    static Html ArgumentField(JobQuery query) => Html.Of($"""
        <label>Arguments <input name="args" value="{query.ArgumentText}" placeholder="any part"></label>
        """);

    static Html OfWorker(string worker, JobQuery query) =>
        Only(Html.Of($"of worker <bdi>{worker}</bdi>"), "Any worker", query with { Worker = null });

    static Html OfError(string type, JobQuery query)
    {
        var frame = Parts.IfKnown(Parts.PlaceInField(query.ErrorFrame), place => Html.Of($"<code>{place}</code>"));
        return Only(Html.Of($"that failed with <bdi>{type}</bdi> {frame}"), "Any error", query with { ErrorType = null, ErrorFrame = null });
    }

    static Html Only(Html which, string others, JobQuery any) =>
        Html.Of($"""<p class="chosen">Only jobs {which} <a href="{Parts.Address("jobs", Fields(any))}">{others}</a></p>""");

    static Html Option(JobState state, JobQuery query)
    {
        var name = Parts.Name(state);
        var selected = Parts.If(query.States.Contains(state), Html.Of($" selected"));
        return Html.Of($"""<option value="{name}"{selected}>{name}</option>""");
    }

    static Html List(Sample<JobPage> sample, JobQuery query, Visit visit)
    {
        if (sample.Value is not { } page)
        {
            return sample.IsPending ? Parts.Pending("jobs") : Html.Empty;
        }

        var back = Parts.IfKnown(page.SearchedBackTo, LookedBack);
        var pages = Parts.Pages(
            query.Cursor is null ? null : Parts.Address("jobs", Fields(query)),
            page.Next is null ? null : Parts.Address("jobs", [.. Fields(query), ("after", page.Next)]),
            page.Jobs.Count == 0 ? "Look further back" : "Older jobs");
        if (page.Jobs.Count == 0)
        {
            return Html.Of($"{Parts.Nothing(page.Next is null ? "No job is like this." : "No job is like this so far.")}{back}{pages}");
        }

        var canSelect = visit.May(Rights.Act) && page.Jobs.Any(job => job.State == JobState.Dead);
        string[] columns =
            [.. canSelect ? ["Select"] : Array.Empty<string>(), "State", "Task", "Arguments", "Queue", "Attempts", "Last event", "Error", "Id"];
        var table = Parts.Table("Jobs", columns, page.Jobs.Select(job => Row(job, canSelect, visit)));
        return Html.Of($"{(canSelect ? Selection(query, table) : table)}{back}{pages}");
    }

    static Html LookedBack(DateTimeOffset time) => Html.Of($"""
        <p class="quiet small">Looked at all jobs since {Parts.Time(time)}. Jobs that succeed are only counted, and not listed,
        unless <code>Events</code> is <code>All</code> or their results are kept.</p>
        """);

    static Html Selection(JobQuery query, Html table)
    {
        var fields = Fields(query).Where(field => !string.IsNullOrEmpty(field.Value));
        return Html.Of($"""
            <form method="post" class="selection">
            {fields.Select(field => Parts.Hidden($"query.{field.Name}", field.Value))}
            {Buttons()}
            {table}
            </form>
            """);
    }

    static Html Buttons() => Html.Of($"""
        <div class="acts">{Parts.SelectAllBox()}
        <button formaction="retry-dead" class="main">Retry selected</button> <button formaction="delete-dead">Delete selected</button>
        <button formaction="retry-dead" name="found" value="yes">Retry all dead jobs that match</button>
        <button formaction="delete-dead" name="found" value="yes">Delete all dead jobs that match</button></div>
        """);

    static Html Row(JobInfo job, bool canSelect, Visit visit)
    {
        var error = Parts.IfKnown(job.Error, failure => Html.Of($"""
            <bdi title="{failure.Message}">{FailuresPage.Short(failure.Type)}: {Short(failure.Message)}</bdi>
            """));
        (string, Html)[] cells =
        [
            ("State", Parts.State(job.State)),
            ("Task", Html.Of($"""<a href="{Parts.Address("job", ("id", job.Id))}">{Parts.Name(job.Task)}</a>""")),
            ("Arguments", Parts.Arguments(job, visit)),
            ("Queue", Html.Of($"<bdi>{job.Queue ?? "–"}</bdi>")),
            ("Attempts", Parts.Number(job.AttemptCount)),
            ("Last event", Parts.Time(job.LastEventAt ?? job.EnqueuedAt)),
            ("Error", error),
            ("Id", Parts.Job(job.Id)),
        ];
        return canSelect
            ? Parts.Row([("Select", Parts.If(job.State == JobState.Dead, Parts.SelectBox(job.Id))), .. cells])
            : Parts.Row(cells);
    }

    static string Short(string message) => message.Length > 120 ? message[..120] + "…" : message;

    static bool IsLikeId(string text) => Guid.TryParse(text, out _) || (text.Length >= 8 && text.All(letter => char.IsAsciiHexDigit(letter) || letter == '-'));

    static JobState? State(string name) => Enum.TryParse<JobState>(name, ignoreCase: true, out var state) && states.Contains(state) ? state : null;

    static DateTimeOffset? Time(string? text) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, InUtc, out var time) ? time : null;

    static string? Text(DateTimeOffset? time) => time?.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss", CultureInfo.InvariantCulture);
}
