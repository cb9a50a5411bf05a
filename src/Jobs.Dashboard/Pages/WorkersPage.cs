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
        return Html.Of($"""
            <svg class="meter" viewBox="0 0 {MeterWidth} 8" preserveAspectRatio="none" role="img" aria-label="{Words.Number(used)} of {Words.Number(slots)}">
            <rect class="rail" width="{MeterWidth}" height="8"/><rect class="fill" width="{width}" height="8"/></svg>
            """);
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
        <h2><a href="{Parts.Address("jobs", ("worker", worker.Name))}"><bdi>{worker.Name}</bdi></a> {Pulse(worker)}</h2>
        <p class="facts">
        <span>{Busy(worker)}</span>
        <span>last heard of {Parts.Ago(worker.LastSeenAt, visit.Now)}</span>
        {Parts.IfKnown(worker.StartedAt, start => Html.Of($"<span>up since {Parts.Time(start)}</span>"))}
        {Parts.IfKnown(worker.Processed, processed => Html.Of($"<span>{Words.Count(processed, "job")} taken</span>"))}
        </p>
        <dl class="pairs">
        <dt>Queues</dt><dd>{Queues(worker.Queues)}</dd>
        <dt>Host</dt><dd>{Host(worker)}</dd>
        <dt>Version</dt><dd><bdi>{worker.Version ?? "–"}</bdi>, <bdi>{worker.Software}</bdi> <bdi>{worker.SoftwareVersion}</bdi></dd>
        <dt>Load</dt><dd>{Load(worker.LoadAverage)}</dd>
        </dl>
        {Running(worker, visit)}
        </li>
        """);

    static Html Pulse(WorkerInfo worker) => worker.IsAlive
        ? Html.Of($"""<span class="state succeeded">alive</span>""")
        : Html.Of($"""<span class="state dead">gone</span>""");

    static Html Busy(WorkerInfo worker)
    {
        var active = worker.Active ?? 0;
        return worker.Slots is { } slots
            ? Html.Of($"{Meter(active, slots)} {Words.Number(active)} of {Words.Count(slots, "slot")}")
            : Html.Of($"{Words.Count(active, "job")} running");
    }

    static Html Queues(IReadOnlyList<string> queues) => queues.Count == 0
        ? Html.Of($"–")
        : Parts.Commas(queues.Select(queue => Html.Of($"""<a href="{Parts.Address("jobs", ("queue", queue))}"><bdi>{queue}</bdi></a>""")));

    static Html Host(WorkerInfo worker)
    {
        var host = worker.Name[(worker.Name.IndexOf('@', StringComparison.Ordinal) + 1)..];
        var process = Parts.IfKnown(worker.ProcessId, id => Html.Of($", process {id.ToString(CultureInfo.InvariantCulture)}"));
        var system = Parts.IfKnown(worker.System, name => Html.Of($", <bdi>{name}</bdi>"));
        return Html.Of($"<bdi>{host}</bdi>{process}{system}");
    }

    static string Load(IReadOnlyList<double> averages) =>
        averages.Count == 0 ? "–" : string.Join("  ", averages.Select(load => load.ToString("0.00", CultureInfo.InvariantCulture)));

    static Html Running(WorkerInfo worker, Visit visit) => Parts.If(worker.Running.Count > 0, Html.Of($"""
        <details open><summary>{Words.Count(worker.Running.Count, "running job")}</summary>{Parts.Running(worker.Running, visit.Now)}</details>
        """));
}
