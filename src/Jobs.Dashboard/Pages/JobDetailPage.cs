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
            sample.Value is null && letter is null ? NoAnswer(sample) : Html.Of($"""
                {Summary(job, letter, visit)}
                {Failure(job, letter)}
                <div class="columns">
                <section><h2>What happened</h2>{Timeline(job)}</section>
                <section><h2>Arguments</h2>{Arguments(job, visit)}{Result(job, visit)}</section>
                </div>
                {Chain(job, chain)}
                {Relatives(job)}
                {Parts.Problem(job.Problem, sample.Problem)}
                """)) { Status = sample.Value is { State: JobState.Unknown } && letter is null && sample.Problem is null ? 404 : 200 };
    }

    // Nobody has been asked in time. That is not the same as a job that nobody has heard of.
    static Html NoAnswer(Sample<JobInfo> sample) => Html.Of($"{Parts.If(sample.IsPending, Parts.Pending("the job"))}{Parts.Problem(sample.Problem)}");

    static async Task<List<JobInfo>> RelativesAsync(IReadOnlyList<string> ids, Visit visit)
    {
        var found = await Task.WhenAll(ids.Take(MostRelatives).Select(id => visit.Source.JobAsync(id, visit.Stop).AsTask())).ConfigureAwait(false);
        return [.. found.Select((sample, at) => sample.Value ?? new JobInfo { Id = ids[at] })];
    }

    static Html Summary(JobInfo job, DeadLetterInfo? letter, Visit visit)
    {
        if (job.State == JobState.Unknown && letter is null)
        {
            return Unheard(job);
        }

        return Html.Of($"""
            <p class="facts">{Parts.State(letter is null ? job.State : JobState.Dead)}
            {Fact("queue", job.Queue ?? letter?.Queue)}{Fact("worker", job.Worker)}
            <span>{Words.Count(Math.Max(job.AttemptCount, letter?.Attempts ?? 0), "attempt")}</span>
            {Parts.IfKnown(job.Runtime, runtime => Html.Of($"<span>ran for <b>{Words.Span(runtime)}</b></span>"))}
            {Parts.If(job.Eta > visit.Now, Html.Of($"<span>not before {Parts.Time(job.Eta)}</span>"))}
            {Parts.IfKnown(job.Expires, end => Html.Of($"<span>expires {Parts.Time(end)}</span>"))}
            {Parts.IfKnown(job.TraceId, trace => Html.Of($"<span>trace {Parts.Copyable(trace)}</span>"))}</p>
            {Progress(job, visit)}
            """);
    }

    static Html Unheard(JobInfo job)
    {
        var since = Parts.IfKnown(job.SearchedBackTo, time => Html.Of($" since {Parts.Time(time)}"));
        return Html.Of($"""
            <p class="note">Nobody has heard of this job{since}. It may wait in its queue, have succeeded without a word, or be forgotten.</p>
            """);
    }

    static Html Fact(string name, string? value) => Parts.IfKnown(value, known => Html.Of($"<span>{name} <bdi><b>{known}</b></bdi></span>"));

    static Html Progress(JobInfo job, Visit visit)
    {
        if (job.Progress is not { } progress || job.State >= JobState.Succeeded)
        {
            return Html.Empty;
        }

        var percent = progress * 100;
        var text = Parts.If(visit.May(Rights.Arguments), Html.Of($"<bdi>{job.ProgressText}</bdi>"));
        return Html.Of($"""
            <p class="facts"><span>{WorkersPage.Meter((long)percent, 100)} {percent.ToString("0", CultureInfo.InvariantCulture)} %</span> {text}</p>
            """);
    }

    static Html Failure(JobInfo job, DeadLetterInfo? letter)
    {
        if (job.State == JobState.Succeeded)
        {
            return Html.Empty; // its failures are in what happened
        }

        if (job.Error is not { } error)
        {
            return Parts.IfKnown(letter, dead => Html.Of($"""
                <section class="failure"><h2>Why it died</h2><p class="message"><bdi>{dead.Reason}</bdi></p></section>
                """));
        }

        var saysMore = letter is not null && !letter.Reason.Contains(error.Message, StringComparison.Ordinal);
        return Html.Of($"""
            <section class="failure"><h2><bdi>{error.Type}</bdi></h2><p class="message"><bdi>{error.Message}</bdi></p>
            {Parts.If(saysMore, Html.Of($"<p><bdi>{letter?.Reason}</bdi></p>"))}
            {Parts.IfKnown(error.Stack, stack => Html.Of($"""<pre class="stack" tabindex="0"><code>{stack}</code></pre>"""))}</section>
            """);
    }

    static Html Timeline(JobInfo job)
    {
        var steps = new List<Html>();
        if (job.EnqueuedAt is { } enqueued)
        {
            var by = Parts.IfKnown(job.ParentId, parent => Html.Of($" by {Parts.Job(parent)}"));
            steps.Add(Html.Of($"<li>{Parts.Time(enqueued)} <span>enqueued{by}</span></li>"));
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
        var waited = number == 1 ? begin - job.EnqueuedAt : null;
        return Html.Of($"""
            <li class="{Parts.Name(attempt.State)}">{Parts.Time(begin ?? end)} <span><b>Attempt {number}</b> {Parts.State(attempt.State)}
            {Parts.IfKnown(attempt.Worker, worker => Html.Of($"on <bdi>{worker}</bdi>"))}
            {Parts.If(waited > TimeSpan.Zero, Html.Of($"""<span class="quiet">waited {Words.Span(waited)}</span>"""))}
            {Parts.If(took >= TimeSpan.Zero, Html.Of($"""<span class="quiet">ran {Words.Span(took)}</span>"""))}
            {Parts.IfKnown(attempt.Error, Message)}</span></li>
            """);
    }

    static Html Message(JobError error) => Html.Of($"""<br><bdi class="message">{FailuresPage.Short(error.Type)}: {error.Message}</bdi>""");

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

        var named = job.NamedArguments is null or "{}" ? Html.Empty : Value(job.NamedArguments, "Named arguments", visit);
        return Html.Of($"{Value(job.Arguments, "Arguments", visit)}{named}");
    }

    static Html Result(JobInfo job, Visit visit) => job.Result is null || !visit.May(Rights.Arguments)
        ? Html.Empty
        : Html.Of($"""<h2>Result</h2>{Value(job.Result, "Result", visit)}""");

    static Html Value(string? python, string name, Visit visit)
    {
        var text = ArgumentText.Of(python ?? "()", visit.Site.SensitiveNames);
        return Html.Of($"""
            <pre class="value" tabindex="0" aria-label="{name}"><code>{text.Json}</code></pre>
            <p class="small quiet">{Parts.CopyButton(text.Json)} {(text.IsExact ? "" : "The worker has cut or hidden a part.")}</p>
            """);
    }

    static Html Chain(JobInfo job, List<JobInfo> chain)
    {
        var left = job.Chain.Count - chain.Count;
        return Parts.If(chain.Count > 1, Html.Of($"""
            <section><h2>Chain</h2>
            <ol class="chain">{chain.Select(link => Link(link, link.Id == job.Id))}{Parts.If(left > 0, Html.Of($"<li>and {Words.Number(left)} more</li>"))}</ol>
            </section>
            """));
    }

    static Html Link(JobInfo link, bool isThis) => Html.Of($"""
        <li{Parts.Current(isThis)}><a href="{Parts.Address("job", ("id", link.Id))}">{Parts.Name(link.Task)}</a> {Parts.State(link.State)}</li>
        """);

    static Html Relatives(JobInfo job)
    {
        if (job.ParentId is null && job.Children.Count == 0)
        {
            return Html.Empty;
        }

        var isNested = job.RootId is not null && job.RootId != job.Id;
        var children = job.Children.Take(MostRelatives).Select(id => Html.Of($"<li>{Parts.Job(id)}</li>"));
        return Html.Of($"""
            <section><h2>Relatives</h2><dl class="pairs">
            {Parts.IfKnown(job.ParentId, parent => Html.Of($"<dt>Enqueued by</dt><dd>{Parts.Job(parent)}</dd>"))}
            {Parts.If(isNested, Html.Of($"<dt>First of all</dt><dd>{Parts.Job(job.RootId ?? "")}</dd>"))}
            {Parts.If(job.Children.Count > 0, Html.Of($"""
                <dt>Has enqueued {Words.Number(job.Children.Count)}</dt><dd><ul class="plain">{children}</ul></dd>
                """))}
            </dl></section>
            """);
    }

    static Html Acts(JobInfo job, DeadLetterInfo? letter, Visit visit)
    {
        if (!visit.May(Rights.Act))
        {
            return Html.Empty;
        }

        return Html.Of($"""<div class="acts">{Parts.IfKnown(letter, RetryOrDelete)}</div>{Again(job, letter, visit)}""");
    }

    static Html RetryOrDelete(DeadLetterInfo letter) => Html.Of($"""
        <form method="post" action="retry-dead">{Parts.Hidden("ids", letter.Id)}<button class="main">Retry</button></form>
        <form method="post" action="delete-dead">{Parts.Hidden("ids", letter.Id)}<button>Delete</button></form>
        """);

    /// <summary>The form that enqueues a job like this one, or sends a dead one back with other arguments.</summary>
    static Html Again(JobInfo job, DeadLetterInfo? letter, Visit visit)
    {
        if ((job.Task ?? letter?.Task) is not { } task || !visit.May(Rights.Arguments))
        {
            return Html.Empty;
        }

        var args = ArgumentText.Of(job.Arguments ?? "()", visit.Site.SensitiveNames);
        var named = ArgumentText.Of(job.NamedArguments ?? "{}", visit.Site.SensitiveNames);
        var isKnown = job.Arguments is not null;
        var isWhole = isKnown && args.IsExact && named.IsExact;
        return Html.Of($"""
            <details class="again"><summary>{(letter is null ? "Enqueue again" : "Retry with other arguments, or enqueue again")}</summary>
            <form method="post" action="enqueue">
            {Parts.Hidden("task", task)}{Parts.Hidden("ids", letter?.Id)}
            <label>Arguments, a JSON array <textarea name="args" rows="4" spellcheck="false">{(isKnown ? args.Json : "[]")}</textarea></label>
            <label>Named arguments, a JSON object <textarea name="kwargs" rows="3" spellcheck="false">{named.Json}</textarea></label>
            <label>Queue <input name="queue" value="{job.Queue ?? letter?.Queue}"></label>
            {Parts.If(!isWhole, Gaps)}
            <div class="acts">{(letter is null ? EnqueueButton : RetryOrEnqueueButtons)}</div>
            </form></details>
            """);
    }

    static Html EnqueueButton => Html.Of($"""<button class="main">Enqueue a new job</button>""");

    static Html RetryOrEnqueueButtons => Html.Of($"""
        <button formaction="retry-dead" class="main">Retry this job with these arguments</button> <button>Enqueue a new job</button>
        """);

    static Html Gaps => Html.Of($"""
        <p class="note">The history may not have all of the arguments: a part is hidden, or cut off. Fill in what is missing.</p>
        {Parts.Hidden("cut", "yes")}
        <label><span><input type="checkbox" name="whole" value="yes" required> The arguments are complete now</span></label>
        """);
}
