using Jobs.Dashboard.Markup;

namespace Jobs.Dashboard.Pages;

/// <summary>What waits where, for how long, and whether anybody takes it.</summary>
static class QueuesPage
{
    const int MostInShort = 6;

    public static async Task<View> ShowAsync(Visit visit)
    {
        var (askingQueues, askingHour) = (visit.Source.QueuesAsync(visit.Stop), visit.Source.ThroughputAsync(visit.Stop));
        var (queues, hour) = (await askingQueues.ConfigureAwait(false), await askingHour.ConfigureAwait(false));
        var problem = Parts.Problem(queues.Value?.Problem, queues.Problem, hour.Problem);
        var later = Html.Of($"""<p><a href="delayed">Jobs that wait for their time</a></p>""");
        return new("Queues", Html.Of($"<h1>Queues</h1>"), Html.Of($"{Table(queues, isShort: false, hour.Value)}{later}{problem}"));
    }

    public static Html Table(Sample<QueuePage> sample, bool isShort, ThroughputInfo? hour = null)
    {
        if (sample.Value is not { } page)
        {
            return sample.IsPending ? Parts.Pending("the queues") : Html.Empty;
        }

        if (page.Queues.Count == 0)
        {
            return Parts.Nothing("No queue is known: no worker runs, and this program has no tasks.");
        }

        if (isShort)
        {
            var busiest = page.Queues
                .OrderByDescending(queue => queue.Waiting ?? 0)
                .ThenBy(queue => queue.Name, StringComparer.Ordinal)
                .Take(MostInShort);
            return Parts.Table("Queues", ["Queue", "Waiting", "Running", "Dead"], busiest.Select(ShortRow));
        }

        return Parts.Table(
            "Queues",
            ["Queue", "Waiting", "Oldest", "Running", "Delayed", "Dead", "In", "Out", "Workers", "Last hour", "Why it grows"],
            page.Queues.Select(queue => Row(queue, hour)));
    }

    static Html ShortRow(QueueInfo queue) => Parts.Row(
        ("Queue", Link(queue)),
        ("Waiting", Parts.Number(queue.Waiting)),
        ("Running", Parts.Number(queue.Running)),
        ("Dead", Dead(queue)));

    static Html Row(QueueInfo queue, ThroughputInfo? hour) => Parts.Row(
        ("Queue", Link(queue)),
        ("Waiting", Parts.Number(queue.Waiting)),
        ("Oldest", Html.Of($"{(queue.Waiting > 0 ? Words.Span(queue.OldestAge ?? queue.Wait) : "–")}")),
        ("Running", Running(queue)),
        ("Delayed", Parts.Number(queue.Delayed)),
        ("Dead", Dead(queue)),
        ("In", Html.Of($"{Words.Rate(queue.InRate)}")),
        ("Out", Html.Of($"{Words.Rate(queue.OutRate)}")),
        ("Workers", Parts.Number(queue.Consumers)),
        ("Last hour", Parts.IfKnown(hour, known => LastHour(queue, known))),
        ("Why it grows", Html.Of($"{Why(queue)}")));

    static Html LastHour(QueueInfo queue, ThroughputInfo hour) => Throughput.Chart(
        hour,
        hour.Tasks.Where(task => task.Queue == queue.Name),
        $"Jobs of {queue.Name} done and failed in each minute of the last hour");

    static Html Running(QueueInfo queue)
    {
        var extra = queue.Held - queue.Running;
        var held = Html.Of($""" <span class="quiet" title="Workers have these jobs, and have not begun with them">+{Words.Number(extra)}</span>""");
        return Html.Of($"{Parts.Number(queue.Running)}{Parts.If(extra > 0, held)}");
    }

    /// <summary>What somebody would conclude from the figures.</summary>
    static string Why(QueueInfo queue) => queue switch
    {
        { Waiting: null } => "",
        { Waiting: 0 } => "Nothing waits.",
        { Consumers: 0 } => "No worker takes jobs from it.",
        { InRate: null } or { OutRate: null } => "",
        { InRate: > 0, OutRate: { } done } when done < queue.InRate * 0.95 => done == 0 && queue.Running > 0
            ? "All that runs takes long: nothing ended lately."
            : $"More comes than is done: {Words.Rate(queue.InRate - done)} too many.",
        { Waiting: { } waiting, InRate: { } more, OutRate: > 0 and { } done } when done > more =>
            $"It shrinks: empty in {Words.Span(TimeSpan.FromSeconds(Math.Min(waiting / (done - more), 1e8)))}.",
        { OutRate: 0, Running: 0 } => "Workers listen, and take nothing: see their log.",
        _ => "It keeps its length.",
    };

    static Html Link(QueueInfo queue) => Html.Of($"""<a href="{Parts.Address("jobs", ("queue", queue.Name))}"><bdi class="name">{queue.Name}</bdi></a>""");

    static Html Dead(QueueInfo queue) => queue.Dead is > 0 and { } dead
        ? Html.Of($"""<a class="number bad" href="{Parts.Address("dead", ("queue", queue.Name))}">{Words.Number(dead)}</a>""")
        : Parts.Number(queue.Dead);
}
