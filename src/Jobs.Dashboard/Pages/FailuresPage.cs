using Jobs.Dashboard.Markup;

namespace Jobs.Dashboard.Pages;

/// <summary>What fails, and how often: failures of one kind together, with the way to their jobs and back to their queues.</summary>
static class FailuresPage
{
    public static async Task<View> ShowAsync(Visit visit)
    {
        var period = Period.Of(visit);
        var query = new JobQuery { From = period.From, Task = visit.Field("task"), Queue = visit.Field("queue") };
        var ofLetters = new DeadLetterQuery { Task = query.Task, Queue = query.Queue };
        var (asking, askingLetters) = (visit.Source.FailuresAsync(query, visit.Stop), visit.Source.LetterGroupsAsync(ofLetters, visit.Stop, wait: false));
        var askingNames = Suggestions.AskAsync(visit);
        var (failures, letters) = (await asking.ConfigureAwait(false), await askingLetters.ConfigureAwait(false));
        var suggestions = await askingNames.ConfigureAwait(false);
        var heading = Html.Of($"""
            <h1>Failures</h1>
            <form class="filters" action="failures">
            {Period.Tabs(period, "failures", ("task", query.Task), ("queue", query.Queue))}
            <label>Task <input name="task" list="tasks" value="{query.Task}" placeholder="news.*"></label>
            <label>Queue <input name="queue" list="queues" value="{query.Queue}"></label>
            {Parts.Hidden("since", period.Name)}<button>Show</button>
            </form>{suggestions}
            """);
        var problem = Parts.Problem(failures.Value?.Problem, failures.Problem, letters.Problem);
        var live = Html.Of($"{Groups(failures, letters.Value ?? [], ofLetters, visit)}{Parts.Age(failures.At, visit)}{problem}");
        return new("Failures", heading, live);
    }

    /// <summary>The jobs of a group.</summary>
    public static string ToJobs(FailureGroup group) => Parts.Address("jobs", ("type", group.Type), ("frame", Parts.PlaceInField(group.Frame)));

    /// <summary>A type without its namespace.</summary>
    public static string Short(string type) => type.Length > 0 && type.All(letter => char.IsLetterOrDigit(letter) || letter is '.' or '_' or '`' or '+')
        ? type[(type.LastIndexOf('.') + 1)..]
        : type;

    static Html Groups(Sample<FailurePage> sample, IReadOnlyList<DeadLetterGroup> letters, DeadLetterQuery query, Visit visit)
    {
        if (sample.Value is not { } page)
        {
            return sample.IsPending ? Parts.Pending("failures") : Html.Empty;
        }

        var back = Parts.IfKnown(page.SearchedBackTo, time => Html.Of($"""<p class="quiet small">Looked at all jobs since {Parts.Time(time)}.</p>"""));
        return page.Groups.Count == 0
            ? Html.Of($"{Parts.Nothing("Nothing has failed.")}{back}")
            : Html.Of($"""<ul class="cards">{page.Groups.Select(group => Card(group, letters, query, visit))}</ul>{back}""");
    }

    static Html Card(FailureGroup group, IReadOnlyList<DeadLetterGroup> letters, DeadLetterQuery query, Visit visit)
    {
        var dead = letters.Where(letter => IsOf(letter, group)).Sum(letter => letter.Count);
        var lastJob = Parts.Address("job", ("id", group.LastJobId));
        return Html.Of($"""
            <li class="card">
            <h2><a href="{ToJobs(group)}"><bdi title="{group.Type}">{Short(group.Type)}</bdi></a></h2>
            <p class="message"><bdi>{group.LastMessage}</bdi></p>
            {Parts.If(group.Frame.Length > 0, Html.Of($"""<p class="frame"><code>{group.Frame}</code></p>"""))}
            <p class="facts">
            <span><b>{Words.Number(group.Count)}</b> {(group.Count == 1 ? "failure" : "failures")} of {Words.Count(group.Jobs, "job")}</span>
            <span>in {Parts.Names(group.Tasks)}</span> <span>first {Parts.Time(group.First)}</span> <span>last {Parts.Time(group.Last)}</span></p>
            <div class="acts"><a class="button" href="{ToJobs(group)}">Jobs</a> <a class="button" href="{lastJob}">Last job</a>
            {DeadLettersPage.RetryAll(query with { ExceptionType = group.Type, Frame = group.Frame }, dead, visit)}</div>
            </li>
            """);
    }

    // Events name a type without its namespace, as Python does, and dead letters name it in full.
    static bool IsOf(DeadLetterGroup letters, FailureGroup group) =>
        (letters.Frame ?? "") == group.Frame
        && (letters.ExceptionType == group.Type || letters.ExceptionType?.EndsWith($".{group.Type}", StringComparison.Ordinal) == true);
}
