using Jobs.Dashboard.Markup;

namespace Jobs.Dashboard.Pages;

/// <summary>The jobs that wait for their time: delayed ones, and those that are tried again. The next one comes first.</summary>
static class DelayedJobsPage
{
    public static async Task<View> ShowAsync(Visit visit)
    {
        var after = visit.Field("after");
        var delayed = await visit.Source.DelayedAsync(after, visit.Stop).ConfigureAwait(false);
        return new("Delayed jobs", Html.Of($"<h1>Delayed jobs</h1>"), Html.Of($"{List(delayed, after, visit)}{Parts.Problem(delayed.Problem)}"));
    }

    static Html List(Sample<DelayedPage> sample, string? after, Visit visit)
    {
        if (sample.Value is not { } page)
        {
            return sample.IsPending ? Parts.Pending("delayed jobs") : Html.Empty;
        }

        if (page.Jobs.Count == 0)
        {
            return Parts.Nothing(page.Total == 0
                ? "No job waits for its time."
                : $"Delayed: {Words.Count(page.Total, "job")}. This transport cannot list them; those that failed are among the retrying jobs.");
        }

        var table = Parts.Table("Delayed jobs", ["Due", "Task", "Queue", "Failed before", "Id"], page.Jobs.Select(job => Row(job, visit)));
        var pages = Parts.Pages(
            after is null ? null : "delayed",
            page.Next is null ? null : Parts.Address("delayed", ("after", page.Next)),
            "Later jobs");
        return Html.Of($"""<p class="quiet">{Words.Count(page.Total, "job")}, the next one first</p>{table}{pages}""");
    }

    static Html Row(DelayedJobInfo job, Visit visit) => Parts.Row(
        ("Due", Parts.Ago(job.DueAt, visit.Now)),
        ("Task", Parts.Name(job.Task)),
        ("Queue", Html.Of($"<bdi>{job.Queue}</bdi>")),
        ("Failed before", Html.Of($"{(job.Retries == 0 ? "–" : Words.Count(job.Retries, "time"))}")),
        ("Id", Parts.IfKnown(job.Id, Parts.Job)));
}
