using System.Globalization;
using Jobs.Dashboard.Access;
using Jobs.Dashboard.Arguments;
using Jobs.Dashboard.Markup;

namespace Jobs.Dashboard.Pages;

/// <summary>One job: what it was asked to do, what became of it, and what can be done now.</summary>
static class JobDetailPage
{
    const int MostRelatives = 30;

    public static async Task<View> ShowAsync(Visit visit)
    {
        if (visit.Field("id") is not { } id)
        {
            return Layout.Message("Job", Html.Of($"The address lacks the id of the job."), 404);
        }

        var sample = await visit.Source.JobAsync(id, visit.Stop).ConfigureAwait(false);
        var job = sample.Value ?? new JobInfo { Id = id };
        var letter = job.State is JobState.Dead or JobState.Unknown
            ? (await visit.Source.LettersAsync(new() { Ids = [id] }, 1, null, visit.Stop).ConfigureAwait(false)).Value?.Letters.FirstOrDefault()
            : null;
        var chain = await RelativesAsync(job.Chain, visit).ConfigureAwait(false);
        return new(
            job.Task ?? letter?.Task ?? "Job",
            Html.Of($"""<h1>{Parts.Name(job.Task ?? letter?.Task)}</h1><p class="facts">{Parts.Copyable(id)}</p>{Acts(job, letter, visit)}"""),
            Html.Of($"""
                {Summary(job, letter, visit)}
                {Failure(job, letter)}
                <div class="columns">
                <section><h2>What happened</h2>{Timeline(job)}</section>
                <section><h2>Arguments</h2>{Arguments(job, visit)}{Result(job, visit)}</section>
                </div>
                {Chain(job, chain)}
                {Relatives(job)}
                {Parts.Problem(job.Problem, sample.Problem)}
                """)) { Status = job.State == JobState.Unknown && letter is null && sample.Problem is null ? 404 : 200 };
    }

    static async Task<List<JobInfo>> RelativesAsync(IReadOnlyList<string> ids, Visit visit)
    {
        var found = await Task.WhenAll(ids.Take(MostRelatives).Select(id => visit.Source.JobAsync(id, visit.Stop).AsTask())).ConfigureAwait(false);
        return [.. found.Select((sample, at) => sample.Value ?? new JobInfo { Id = ids[at] })];
    }

    static Html Summary(JobInfo job, DeadLetterInfo? letter, Visit visit)
    {
        if (job.State == JobState.Unknown && letter is null)
        {
            return Html.Of($"""<p class="note">Nobody has heard of this job{(job.SearchedBackTo is { } time ? Html.Of($" since {Parts.Time(time)}") : Html.Empty)}. It may wait in its queue, have succeeded without a word, or be forgotten.</p>""");
        }

        return Html.Of($"""
            <p class="facts">{Parts.State(letter is null ? job.State : JobState.Dead)}
            {Fact("queue", job.Queue ?? letter?.Queue)}{Fact("worker", job.Worker)}
            <span>{Words.Count(Math.Max(job.AttemptCount, letter?.Attempts ?? 0), "attempt")}</span>
            {(job.Runtime is { } runtime ? Html.Of($"<span>ran for <b>{Words.Span(runtime)}</b></span>") : Html.Empty)}
            {(job.Eta is { } eta && eta > visit.Now ? Html.Of($"<span>not before {Parts.Time(eta)}</span>") : Html.Empty)}
            {(job.Expires is { } end ? Html.Of($"<span>expires {Parts.Time(end)}</span>") : Html.Empty)}
            {(job.TraceId is { } trace ? Html.Of($"<span>trace {Parts.Copyable(trace)}</span>") : Html.Empty)}</p>
            {Progress(job, visit)}
            """);
    }

    static Html Fact(string name, string? value) => value is null ? Html.Empty : Html.Of($"<span>{name} <bdi><b>{value}</b></bdi></span>");

    static Html Progress(JobInfo job, Visit visit) => job.Progress is not { } progress || job.State >= JobState.Succeeded
        ? Html.Empty
        : Html.Of($"""<p class="facts"><span>{WorkersPage.Meter((long)(progress * 100), 100)} {(progress * 100).ToString("0", CultureInfo.InvariantCulture)} %</span> {(visit.May(Rights.Arguments) ? Html.Of($"<bdi>{job.ProgressText}</bdi>") : Html.Empty)}</p>""");

    static Html Failure(JobInfo job, DeadLetterInfo? letter)
    {
        if (job.State == JobState.Succeeded)
        {
            return Html.Empty; // its failures are in what happened
        }

        if (job.Error is not { } error)
        {
            return letter is null ? Html.Empty : Html.Of($"""<section class="failure"><h2>Why it died</h2><p class="message"><bdi>{letter.Reason}</bdi></p></section>""");
        }

        return Html.Of($"""
            <section class="failure"><h2><bdi>{error.Type}</bdi></h2><p class="message"><bdi>{error.Message}</bdi></p>
            {(letter is { } dead && !dead.Reason.Contains(error.Message, StringComparison.Ordinal) ? Html.Of($"<p><bdi>{dead.Reason}</bdi></p>") : Html.Empty)}
            {(error.Stack is null ? Html.Empty : Html.Of($"""<pre class="stack" tabindex="0"><code>{error.Stack}</code></pre>"""))}</section>
            """);
    }

    static Html Timeline(JobInfo job)
    {
        var steps = new List<Html>();
        if (job.EnqueuedAt is { } enqueued)
        {
            steps.Add(Html.Of($"<li>{Parts.Time(enqueued)} <span>enqueued{(job.ParentId is null ? Html.Empty : Html.Of($" by {Parts.Job(job.ParentId)}"))}</span></li>"));
        }

        var left = job.AttemptCount - job.Attempts.Count;
        foreach (var (attempt, at) in job.Attempts.Select((attempt, at) => (attempt, at)))
        {
            if (at == 1 && left > 0)
            {
                steps.Add(Html.Of($"<li>… {Words.Count(left, "attempt")} left out</li>"));
            }

            steps.Add(Step(attempt, (at == 0 ? 0 : left) + at + 1, job));
        }

        return steps.Count == 0 ? Parts.Nothing("No event has told of it.") : Html.Of($"""<ol class="timeline">{steps}</ol>""");
    }

    static Html Step(JobAttempt attempt, int number, JobInfo job)
    {
        var (begin, end) = (attempt.StartedAt ?? attempt.ReceivedAt, attempt.EndedAt);
        var took = attempt.Runtime ?? (attempt.StartedAt is { } start && end is { } ended ? ended - start : null);
        return Html.Of($"""
            <li class="{attempt.State.ToString().ToLowerInvariant()}">{Parts.Time(begin ?? end)} <span><b>Attempt {number}</b> {Parts.State(attempt.State)}
            {(attempt.Worker is null ? Html.Empty : Html.Of($"on <bdi>{attempt.Worker}</bdi>"))}
            {(number == 1 && job.EnqueuedAt is { } from && begin is { } to && to > from ? Html.Of($"""<span class="quiet">waited {Words.Span(to - from)}</span>""") : Html.Empty)}
            {(took is { } span && span >= TimeSpan.Zero ? Html.Of($"""<span class="quiet">ran {Words.Span(span)}</span>""") : Html.Empty)}
            {(attempt.Error is { } error ? Html.Of($"""<br><bdi class="message">{FailuresPage.Short(error.Type)}: {error.Message}</bdi>""") : Html.Empty)}</span></li>
            """);
    }

    static Html Arguments(JobInfo job, Visit visit)
    {
        if (!visit.May(Rights.Arguments))
        {
            return Parts.Nothing("You do not have the right to see arguments.");
        }

        if (job.Arguments is null && job.NamedArguments is null)
        {
            return Parts.Nothing("No event has told of them.");
        }

        return Html.Of($"""{Value(job.Arguments, "Arguments", visit)}{(job.NamedArguments is null or "{}" ? Html.Empty : Value(job.NamedArguments, "Named arguments", visit))}""");
    }

    static Html Result(JobInfo job, Visit visit) => job.Result is null || !visit.May(Rights.Arguments)
        ? Html.Empty
        : Html.Of($"""<h2>Result</h2>{Value(job.Result, "Result", visit)}""");

    static Html Value(string? python, string name, Visit visit)
    {
        var text = ArgumentText.Of(python ?? "()", visit.Site.SensitiveNames);
        return Html.Of($"""<pre class="value" tabindex="0" aria-label="{name}"><code>{text.Json}</code></pre><p class="small quiet"><button type="button" class="copy" data-copy="{text.Json}" hidden>Copy</button> {(text.IsExact ? "" : "The worker has cut or hidden a part.")}</p>""");
    }

    static Html Chain(JobInfo job, List<JobInfo> chain) => chain.Count < 2
        ? Html.Empty
        : Html.Of($"""<section><h2>Chain</h2><ol class="chain">{chain.Select(link => Html.Of($"""<li{(link.Id == job.Id ? new Html(" aria-current=\"true\"") : Html.Empty)}><a href="job?id={Uri.EscapeDataString(link.Id)}">{Parts.Name(link.Task)}</a> {Parts.State(link.State)}</li>"""))}{(job.Chain.Count > chain.Count ? Html.Of($"<li>and {Words.Number(job.Chain.Count - chain.Count)} more</li>") : Html.Empty)}</ol></section>""");

    static Html Relatives(JobInfo job)
    {
        if (job.ParentId is null && job.Children.Count == 0)
        {
            return Html.Empty;
        }

        var children = job.Children.Take(MostRelatives).Select(id => Html.Of($"<li>{Parts.Job(id)}</li>"));
        return Html.Of($"""
            <section><h2>Relatives</h2><dl class="pairs">
            {(job.ParentId is null ? Html.Empty : Html.Of($"<dt>Enqueued by</dt><dd>{Parts.Job(job.ParentId)}</dd>"))}
            {(job.RootId is { } root && root != job.Id ? Html.Of($"<dt>First of all</dt><dd>{Parts.Job(root)}</dd>") : Html.Empty)}
            {(job.Children.Count == 0 ? Html.Empty : Html.Of($"""<dt>Has enqueued {Words.Number(job.Children.Count)}</dt><dd><ul class="plain">{children}</ul></dd>"""))}
            </dl></section>
            """);
    }

    static Html Acts(JobInfo job, DeadLetterInfo? letter, Visit visit)
    {
        if (!visit.May(Rights.Act))
        {
            return Html.Empty;
        }

        var retry = letter is null
            ? Html.Empty
            : Html.Of($"""<form method="post" action="retry-dead">{Parts.Hidden("ids", letter.Id)}<button class="main">Retry</button></form> <form method="post" action="delete-dead">{Parts.Hidden("ids", letter.Id)}<button>Delete</button></form>""");
        return Html.Of($"""<div class="acts">{retry}</div>{Again(job, letter, visit)}""");
    }

    /// <summary>The form that enqueues a job like this one, or sends a dead one back with other arguments.</summary>
    static Html Again(JobInfo job, DeadLetterInfo? letter, Visit visit)
    {
        if ((job.Task ?? letter?.Task) is not { } task || !visit.May(Rights.Arguments))
        {
            return Html.Empty;
        }

        var (args, named) = (ArgumentText.Of(job.Arguments ?? "()", visit.Site.SensitiveNames), ArgumentText.Of(job.NamedArguments ?? "{}", visit.Site.SensitiveNames));
        var isKnown = job.Arguments is not null;
        return Html.Of($"""
            <details class="again"><summary>{(letter is null ? "Enqueue again" : "Retry with other arguments, or enqueue again")}</summary>
            <form method="post" action="enqueue">
            {Parts.Hidden("task", task)}{Parts.Hidden("ids", letter?.Id)}
            <label>Arguments, a JSON array <textarea name="args" rows="4" spellcheck="false">{(isKnown ? args.Json : "[]")}</textarea></label>
            <label>Named arguments, a JSON object <textarea name="kwargs" rows="3" spellcheck="false">{named.Json}</textarea></label>
            <label>Queue <input name="queue" value="{job.Queue ?? letter?.Queue}"></label>
            {(isKnown && args.IsExact && named.IsExact ? Html.Empty : Html.Of($"""<p class="note">The history does not have all of the arguments. Fill in what is missing: <code>{ArgumentText.Mask}</code> and <code>…</code> would be sent as they stand here, so they are refused.</p>"""))}
            <div class="acts">{(letter is null ? Html.Empty : Html.Of($"""<button formaction="retry-dead" class="main">Retry this job with these arguments</button>"""))} <button{(letter is null ? new Html(" class=\"main\"") : Html.Empty)}>Enqueue a new job</button></div>
            </form></details>
            """);
    }
}
