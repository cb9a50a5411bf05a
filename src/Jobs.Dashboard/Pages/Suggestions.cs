using Jobs.Dashboard.Markup;

namespace Jobs.Dashboard.Pages;

/// <summary>The names that a browser offers in fields for a task or a queue: <c>list="tasks"</c>, <c>list="queues"</c>.</summary>
static class Suggestions
{
    public static async Task<Html> AskAsync(Visit visit)
    {
        if (visit.IsFragment)
        {
            return Html.Empty; // a fragment has no fields
        }

        var (throughput, queues) = (visit.Source.ThroughputAsync(visit.Stop), visit.Source.QueuesAsync(visit.Stop));
        var tasks = (await throughput.ConfigureAwait(false)).Value?.Tasks.Select(task => task.Task) ?? [];
        var names = (await queues.ConfigureAwait(false)).Value?.Queues.Select(queue => queue.Name) ?? [];
        return Html.Of($"{List("tasks", tasks)}{List("queues", names)}");
    }

    static Html List(string id, IEnumerable<string> names)
    {
        var options = names.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).Select(name => Html.Of($"""<option value="{name}">"""));
        return Html.Of($"""<datalist id="{id}">{options}</datalist>""");
    }
}
