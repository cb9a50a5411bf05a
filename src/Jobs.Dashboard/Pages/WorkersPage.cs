using System.Globalization;
using Jobs.Dashboard.Markup;

namespace Jobs.Dashboard.Pages;

/// <summary>Who works, how busy, and on what.</summary>
static class WorkersPage
{
    const int MeterWidth = 100;

    public static async Task<View> ShowAsync(Visit visit)
    {
        var workers = await visit.Source.WorkersAsync(visit.Stop).ConfigureAwait(false);
        return new("Workers", Html.Of($"<h1>Workers</h1>"), Html.Of($"{List(workers, visit)}{Parts.Problem(workers.Problem)}"));
    }

    /// <summary>A bar that is as full as the slots are.</summary>
    public static Html Meter(long used, long slots)
    {
        var width = slots == 0 ? 0 : Math.Min(MeterWidth, used * MeterWidth / slots);
        return Html.Of($"""<svg class="meter" viewBox="0 0 {MeterWidth} 8" preserveAspectRatio="none" role="img" aria-label="{Words.Number(used)} of {Words.Number(slots)}"><rect class="rail" width="{MeterWidth}" height="8"/><rect class="fill" width="{width}" height="8"/></svg>""");
    }

    static Html List(Sample<IReadOnlyList<WorkerInfo>> sample, Visit visit)
    {
        if (sample.Value is not { } workers)
        {
            return sample.IsPending ? Parts.Pending("the workers") : Html.Empty;
        }

        return workers.Count == 0
            ? Parts.Nothing("No worker has been heard of within a day. A worker is a process with AddWorker.")
            : Html.Of($"""<ul class="cards">{workers.OrderByDescending(worker => worker.IsAlive).Select(worker => Card(worker, visit))}</ul>""");
    }

    static Html Card(WorkerInfo worker, Visit visit) => Html.Of($"""
        <li class="card{(worker.IsAlive ? "" : " gone")}">
        <h2><bdi>{worker.Name}</bdi> {(worker.IsAlive ? Html.Of($"""<span class="state succeeded">alive</span>""") : Html.Of($"""<span class="state dead">gone</span>"""))}</h2>
        <p class="facts">
        <span>{(worker.Slots is { } slots ? Html.Of($"{Meter(worker.Active ?? 0, slots)} {Words.Number(worker.Active ?? 0)} of {Words.Count(slots, "slot")}") : Html.Of($"{Words.Count(worker.Active ?? 0, "job")} running"))}</span>
        <span>last heard of {Parts.Ago(worker.LastSeenAt, visit.Now)}</span>
        {(worker.StartedAt is { } start ? Html.Of($"<span>up since {Parts.Time(start)}</span>") : Html.Empty)}
        {(worker.Processed is { } processed ? Html.Of($"<span>{Words.Count(processed, "job")} taken</span>") : Html.Empty)}
        </p>
        <dl class="pairs">
        <dt>Queues</dt><dd>{(worker.Queues.Count == 0 ? Html.Of($"–") : Html.Join(worker.Queues.Select((queue, at) => Html.Of($"""{(at == 0 ? "" : ", ")}<a href="{Parts.Address("jobs", ("queue", queue))}"><bdi>{queue}</bdi></a>"""))))}</dd>
        <dt>Host</dt><dd><bdi>{Host(worker.Name)}</bdi>{(worker.ProcessId is { } pid ? Html.Of($", process {pid.ToString(CultureInfo.InvariantCulture)}") : Html.Empty)}{(worker.System is null ? Html.Empty : Html.Of($", <bdi>{worker.System}</bdi>"))}</dd>
        <dt>Version</dt><dd><bdi>{worker.Version ?? "–"}</bdi>, <bdi>{worker.Software}</bdi> <bdi>{worker.SoftwareVersion}</bdi></dd>
        <dt>Load</dt><dd>{(worker.LoadAverage.Count == 0 ? "–" : string.Join("  ", worker.LoadAverage.Select(load => load.ToString("0.00", CultureInfo.InvariantCulture))))}</dd>
        </dl>
        {Running(worker, visit)}
        </li>
        """);

    static Html Running(WorkerInfo worker, Visit visit) => worker.Running.Count == 0
        ? Html.Empty
        : Html.Of($"""<details open><summary>{Words.Count(worker.Running.Count, "running job")}</summary><ul class="lines">{worker.Running.Select(job => Html.Of($"<li>{Parts.Name(job.Task)} {Parts.Job(job.Id)} <span>for {Words.Span(visit.Now - job.StartedAt)}</span></li>"))}</ul></details>""");

    static string Host(string name) => name[(name.IndexOf('@', StringComparison.Ordinal) + 1)..];
}
