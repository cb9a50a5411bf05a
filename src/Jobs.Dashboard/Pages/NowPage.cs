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
        var (throughput, queues) = (visit.Source.ThroughputAsync(visit.Stop), visit.Source.QueuesAsync(visit.Stop));
        var workers = visit.Source.WorkersAsync(visit.Stop);
        var (transport, schedules) = (visit.Source.TransportAsync(visit.Stop), visit.Source.SchedulesAsync(visit.Stop));
        var letters = visit.Source.LettersAsync(new(), 1, null, visit.Stop, wait: false);
        var failures = visit.Source.FailuresAsync(hour, visit.Stop, wait: false);
        var now = new State(
            await throughput.ConfigureAwait(false),
            await queues.ConfigureAwait(false),
            await workers.ConfigureAwait(false),
            await transport.ConfigureAwait(false),
            await schedules.ConfigureAwait(false),
            await letters.ConfigureAwait(false),
            await failures.ConfigureAwait(false));
        var problem = Parts.Problem(
            now.Queues.Value?.Problem, now.Queues.Problem, now.Workers.Problem, now.Throughput.Value?.Problem, now.Throughput.Problem,
            now.Schedules.Problem, now.Letters.Problem, now.Failures.Value?.Problem, now.Failures.Problem);
        return new("Now", Html.Of($"<h1>Now</h1>"), Html.Of($"""
            {Alarms(now, visit)}
            <div class="tiles">
            {LastHour(now.Throughput)}
            {Waiting(now.Queues)}
            {Slots(now.Workers)}
            {Dead(now.Letters)}
            </div>
            <div class="columns">
            <section><h2>Queues</h2>{QueuesPage.Table(now.Queues, isShort: true)}</section>
            <section><h2>Longest running</h2>{Running(now.Workers, visit)}</section>
            <section><h2>What changed in the last hour</h2>{Changes(now, visit)}</section>
            </div>
            {problem}
            """));
    }

    static Html Alarms(State now, Visit visit)
    {
        var alarms = Alarm.Of(now.Transport.Value, now.Queues.Value, now.Workers.Value, now.Schedules.Value, now.Letters.Value, visit.Now).ToList();
        if (now.Transport.Problem is { } problem)
        {
            alarms.Insert(0, new(problem, null));
        }

        return alarms.Count > 0 ? Html.Of($"""<ul class="verdict bad" aria-label="Needs somebody">{alarms.Select(Line)}</ul>""")
            : now.IsPending ? Html.Of($"""<p class="verdict plain pending">Asking the workers …</p>""")
            : now.HasFailed ? Html.Of($"""<p class="verdict plain">Nothing is known to be wrong, but not everything could be asked: see below.</p>""")
            : Html.Of($"""<p class="verdict good"><span aria-hidden="true">✓</span> It works. {Doing(now)}</p>""");
    }

    static Html Line(Alarm alarm)
    {
        var see = Parts.IfKnown(alarm.GoTo, target => Html.Of($"""<a href="{target}">See</a>"""));
        return Html.Of($"""<li><span aria-hidden="true">!</span> {alarm.Says} {see}</li>""");
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

    static Html LastHour(Sample<ThroughputInfo> sample)
    {
        if (sample.Value is not { } hour)
        {
            return Tile("Last hour", Parts.Pending("the last hour"), Html.Empty);
        }

        var total = Throughput.Sum(hour.Tasks);
        var failed = total.Failed + total.Retried;
        var failures = (failed == 1 ? "failure" : "failures") + (total.Retried > 0 ? $", {Words.Number(total.Retried)} tried again" : "");
        var isShort = hour.KnownFrom > hour.From.AddMinutes(1);
        return Html.Of($"""
            <section class="tile wide"><h2>Last hour</h2>
            <p class="figures"><span><b class="big">{Words.Number(total.Succeeded)}</b> done</span>
            <span class="{(failed > 0 ? "bad" : "quiet")}"><b class="big">{Words.Number(failed)}</b> {failures}</span></p>
            {Throughput.Chart(hour, hour.Tasks, "Jobs done and failed in each minute of the last hour")}
            {Parts.If(isShort, Html.Of($"""<p class="quiet small">Known since {Parts.Time(hour.KnownFrom)}.</p>"""))}
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
        var waiting = page.Queues.Sum(queue => queue.Waiting ?? 0);
        return Tile("Waiting", Html.Of($"""<a href="queues"><b class="big">{Words.Number(waiting)}</b></a>"""), Html.Of($"{says}"));
    }

    static Html Slots(Sample<IReadOnlyList<WorkerInfo>> sample)
    {
        if (sample.Value is not { } workers)
        {
            return Tile("Workers", Parts.Pending("the workers"), Html.Empty);
        }

        var alive = workers.Where(worker => worker.IsAlive).ToList();
        var (used, slots) = (alive.Sum(worker => worker.Active ?? 0), alive.Sum(worker => worker.Slots ?? 0));
        var says = slots == 0
            ? Html.Of($"{Words.Count(used, "job")} running")
            : Html.Of($"""{WorkersPage.Meter(used, slots)} {Words.Number(used)} of {Words.Count(slots, "slot")} in use""");
        return Tile("Workers", Html.Of($"""<a href="workers"><b class="big">{Words.Number(alive.Count)}</b></a>"""), says);
    }

    static Html Dead(Sample<DeadLetterPage> sample)
    {
        if (sample.Value is not { } page)
        {
            return Tile("Dead letters", sample.Problem is null ? Parts.Pending("the keeper") : Html.Of($"""<b class="big">–</b>"""), Html.Empty);
        }

        var says = page.Letters is [var last, ..] ? Html.Of($"the last one {Parts.Time(last.At)}") : Html.Of($"nothing to mend");
        var figure = Html.Of($"""<a href="dead"><b class="big{(page.Total > 0 ? " bad" : "")}">{Words.Number(page.Total)}</b></a>""");
        return Tile("Dead letters", figure, says);
    }

    static Html Tile(string name, Html figure, Html says) => Html.Of($"""
        <section class="tile"><h2>{name}</h2><div>{figure}</div><p class="quiet">{says}</p></section>
        """);

    static Html Running(Sample<IReadOnlyList<WorkerInfo>> sample, Visit visit)
    {
        if (sample.Value is not { } workers)
        {
            return Parts.Pending("the workers");
        }

        var running = workers
            .Where(worker => worker.IsAlive)
            .SelectMany(worker => worker.Running)
            .OrderBy(job => job.StartedAt)
            .Take(MostRunning)
            .ToList();
        return running.Count == 0 ? Parts.Nothing("No job runs that a worker has named.") : Parts.Running(running, visit.Now);
    }

    static Html Changes(State now, Visit visit)
    {
        var since = visit.Now.AddHours(-1);
        var failures = now.Failures.Value?.Groups.Select(Change) ?? [];
        var workers = now.Workers.Value?.SelectMany(Changes) ?? [];
        var all = failures.Concat(workers).Where(change => change.At >= since).OrderByDescending(change => change.At).Take(MostChanges).ToList();
        var lines = all.Select(change => Html.Of($"<li>{Parts.Time(change.At)} <span>{change.Says}</span></li>"));
        return all.Count == 0 && now.Failures.IsPending ? Parts.Pending("failures")
            : all.Count == 0 ? Parts.Nothing("Nothing: no worker came or went, and nothing failed.")
            : Html.Of($"""<ul class="lines">{lines}</ul>""");
    }

    static (DateTimeOffset? At, Html Says) Change(FailureGroup group) => (group.First, Html.Of($"""
        <a href="{FailuresPage.ToJobs(group)}"><bdi>{FailuresPage.Short(group.Type)}</bdi></a>
        in {string.Join(", ", group.Tasks)}: {Words.Count(group.Count, "time")}
        """));

    static IEnumerable<(DateTimeOffset? At, Html Says)> Changes(WorkerInfo worker) =>
    [
        (worker.StartedAt, Html.Of($"Worker <bdi>{worker.Name}</bdi> came")),
        (worker.IsAlive ? null : worker.LastSeenAt, Html.Of($"Worker <bdi>{worker.Name}</bdi> went")),
    ];

    readonly record struct State(
        Sample<ThroughputInfo> Throughput, Sample<QueuePage> Queues, Sample<IReadOnlyList<WorkerInfo>> Workers, Sample<TransportInfo> Transport,
        Sample<IReadOnlyList<ScheduleInfo>> Schedules, Sample<DeadLetterPage> Letters, Sample<FailurePage> Failures)
    {
        // Then what is shown is old, or missing, and nobody can say that it works.
        public bool HasFailed => Queues.Problem is not null || Workers.Problem is not null || Schedules.Problem is not null || Letters.Problem is not null;

        public bool IsPending => Queues.IsPending || Workers.IsPending;
    }
}
