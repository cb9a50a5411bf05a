using Jobs.Dashboard.Markup;

namespace Jobs.Dashboard.Pages;

/// <summary>Is it working? What a person must mend comes first; then the last hour, what waits, who works, what changed.</summary>
static class NowPage
{
    const int MostRunning = 5;
    const int MostChanges = 8;

    public static async Task<View> ShowAsync(Visit visit)
    {
        var hour = new JobQuery { From = visit.Now.AddHours(-1) };
        var (throughput, queues, workers) = (visit.Source.ThroughputAsync(visit.Stop), visit.Source.QueuesAsync(visit.Stop), visit.Source.WorkersAsync(visit.Stop));
        var (transport, schedules) = (visit.Source.TransportAsync(visit.Stop), visit.Source.SchedulesAsync(visit.Stop));
        var (letters, failures) = (visit.Source.LettersAsync(new(), 1, null, visit.Stop, wait: false), visit.Source.FailuresAsync(hour, visit.Stop));
        var now = new State(
            await throughput.ConfigureAwait(false), await queues.ConfigureAwait(false), await workers.ConfigureAwait(false), await transport.ConfigureAwait(false),
            await schedules.ConfigureAwait(false), await letters.ConfigureAwait(false), await failures.ConfigureAwait(false));
        return new("Now", Html.Of($"<h1>Now</h1>"), Html.Of($"""
            {Alarms(now, visit)}
            <div class="tiles">
            {LastHour(now.Throughput, now.Letters)}
            {Waiting(now.Queues)}
            {Slots(now.Workers)}
            {Dead(now.Letters)}
            </div>
            <div class="columns">
            <section><h2>Queues</h2>{QueuesPage.Table(now.Queues, visit, isShort: true)}</section>
            <section><h2>Longest running</h2>{Running(now.Workers, visit)}</section>
            <section><h2>What changed in the last hour</h2>{Changes(now, visit)}</section>
            </div>
            {Parts.Problem(now.Queues.Value?.Problem, now.Queues.Problem, now.Workers.Problem, now.Throughput.Value?.Problem, now.Throughput.Problem, now.Schedules.Problem, now.Letters.Problem)}
            """));
    }

    static Html Alarms(State now, Visit visit)
    {
        var alarms = Alarm.Of(now.Transport.Value, now.Queues.Value, now.Workers.Value, now.Schedules.Value).ToList();
        if (now.Transport.Problem is { } problem)
        {
            alarms.Insert(0, new(problem, null));
        }

        return alarms.Count == 0
            ? Html.Of($"""<p class="verdict good"><span aria-hidden="true">✓</span> {(now.IsPending ? "Asking …" : "It works.")} {Doing(now)}</p>""")
            : Html.Of($"""<ul class="verdict bad" aria-label="Needs somebody">{alarms.Select(alarm => Html.Of($"""<li><span aria-hidden="true">!</span> {alarm.Says} {(alarm.GoTo is { } target ? Html.Of($"""<a href="{target}">See</a>""") : Html.Empty)}</li>"""))}</ul>""");
    }

    static string Doing(State now)
    {
        var running = now.Workers.Value?.Where(worker => worker.IsAlive).Sum(worker => worker.Active ?? 0);
        return running switch
        {
            null => "",
            0 => "No job runs at the moment.",
            { } jobs => $"{Words.Count(jobs, "job")} {(jobs == 1 ? "runs" : "run")} at the moment.",
        };
    }

    static Html LastHour(Sample<ThroughputInfo> sample, Sample<DeadLetterPage> letters)
    {
        if (sample.Value is not { } hour)
        {
            return Tile("Last hour", Parts.Pending("the last hour"), Html.Empty);
        }

        var total = Throughput.Sum(hour.Tasks);
        var failed = total.Failed + total.Retried;
        return Html.Of($"""
            <section class="tile wide"><h2>Last hour</h2>
            <p class="figures"><span><b class="big">{Words.Number(total.Succeeded)}</b> done</span> <span class="{(failed > 0 ? "bad" : "quiet")}"><b class="big">{Words.Number(failed)}</b> {(failed == 1 ? "failure" : "failures")}{(total.Retried > 0 ? $", {Words.Number(total.Retried)} tried again" : "")}</span></p>
            {Throughput.Chart(hour, hour.Tasks, "Jobs done and failed in each minute of the last hour")}
            {(hour.KnownFrom is { } from && from > hour.From.AddMinutes(1) ? Html.Of($"""<p class="quiet small">Known since {Parts.Time(from)}.</p>""") : Html.Empty)}
            </section>
            """);
    }

    static Html Waiting(Sample<QueuePage> sample)
    {
        if (sample.Value is not { } page)
        {
            return Tile("Waiting", Parts.Pending("the queues"), Html.Empty);
        }

        var oldest = page.Queues.Max(queue => queue.OldestAge) ?? page.Queues.Max(queue => queue.Wait);
        var isAge = page.Queues.Any(queue => queue.OldestAge is not null);
        var says = oldest is { } age ? $"{(isAge ? "the oldest for" : "lately for")} {Words.Span(age)}" : "nothing is old";
        return Tile("Waiting", Html.Of($"""<a href="queues"><b class="big">{Words.Number(page.Queues.Sum(queue => queue.Waiting ?? 0))}</b></a>"""), Html.Of($"{says}"));
    }

    static Html Slots(Sample<IReadOnlyList<WorkerInfo>> sample)
    {
        if (sample.Value is not { } workers)
        {
            return Tile("Workers", Parts.Pending("the workers"), Html.Empty);
        }

        var alive = workers.Where(worker => worker.IsAlive).ToList();
        var (used, slots) = (alive.Sum(worker => worker.Active ?? 0), alive.Sum(worker => worker.Slots ?? 0));
        return Tile(
            "Workers",
            Html.Of($"""<a href="workers"><b class="big">{Words.Number(alive.Count)}</b></a>"""),
            slots == 0 ? Html.Of($"{Words.Count(used, "job")} running") : Html.Of($"""{WorkersPage.Meter(used, slots)} {Words.Number(used)} of {Words.Count(slots, "slot")} in use"""));
    }

    static Html Dead(Sample<DeadLetterPage> sample) => sample.Value is { } page
        ? Tile("Dead letters", Html.Of($"""<a href="dead"><b class="big{(page.Total > 0 ? " bad" : "")}">{Words.Number(page.Total)}</b></a>"""),
            page.Letters is [var last, ..] ? Html.Of($"the last one {Parts.Time(last.At)}") : Html.Of($"nothing to mend"))
        : Tile("Dead letters", sample.Problem is null ? Parts.Pending("the keeper") : Html.Of($"""<b class="big">–</b>"""), Html.Empty);

    static Html Tile(string name, Html figure, Html says) => Html.Of($"""<section class="tile"><h2>{name}</h2><div>{figure}</div><p class="quiet">{says}</p></section>""");

    static Html Running(Sample<IReadOnlyList<WorkerInfo>> sample, Visit visit)
    {
        if (sample.Value is not { } workers)
        {
            return Parts.Pending("the workers");
        }

        var running = workers.Where(worker => worker.IsAlive).SelectMany(worker => worker.Running).OrderBy(job => job.StartedAt).Take(MostRunning).ToList();
        return running.Count == 0
            ? Parts.Nothing("No job runs that a worker has named.")
            : Html.Of($"""<ul class="lines">{running.Select(job => Html.Of($"<li>{Parts.Name(job.Task)} {Parts.Job(job.Id)} <span>for {Words.Span(visit.Now - job.StartedAt)}</span></li>"))}</ul>""");
    }

    static Html Changes(State now, Visit visit)
    {
        var since = visit.Now.AddHours(-1);
        var failures = (now.Failures.Value?.Groups ?? []).Select(group => (
            At: group.First, Says: Html.Of($"""<a href="{FailuresPage.ToJobs(group)}"><bdi>{FailuresPage.Short(group.Type)}</bdi></a> in {string.Join(", ", group.Tasks)}: {Words.Count(group.Count, "time")}""")));
        var workers = (now.Workers.Value ?? []).SelectMany(worker => new (DateTimeOffset? At, Html Says)[]
        {
            (worker.StartedAt, Html.Of($"""Worker <bdi>{worker.Name}</bdi> came""")),
            (worker.IsAlive ? null : worker.LastSeenAt, Html.Of($"""Worker <bdi>{worker.Name}</bdi> went""")),
        }).Where(change => change.At is not null).Select(change => (At: change.At!.Value, change.Says));
        var all = failures.Concat(workers).Where(change => change.At >= since).OrderByDescending(change => change.At).Take(MostChanges).ToList();
        return all.Count == 0
            ? Parts.Nothing("Nothing: no worker came or went, and nothing failed.")
            : Html.Of($"""<ul class="lines">{all.Select(change => Html.Of($"<li>{Parts.Time(change.At)} <span>{change.Says}</span></li>"))}</ul>""");
    }

    readonly record struct State(
        Sample<ThroughputInfo> Throughput, Sample<QueuePage> Queues, Sample<IReadOnlyList<WorkerInfo>> Workers, Sample<TransportInfo> Transport,
        Sample<IReadOnlyList<ScheduleInfo>> Schedules, Sample<DeadLetterPage> Letters, Sample<FailurePage> Failures)
    {
        public bool IsPending => Queues.IsPending || Workers.IsPending;
    }
}
