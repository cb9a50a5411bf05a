using Jobs.Dashboard.Arguments;
using Jobs.Dashboard.Markup;
using Microsoft.AspNetCore.Http;

namespace Jobs.Dashboard.Actions;

/// <summary>Enqueues a new job of a task, with arguments that the visitor has written.</summary>
static class EnqueueAction
{
    public static async Task<Done> RunAsync(Visit visit, IFormCollection form)
    {
        if (Visit.Text(form["task"]) is not { } task)
        {
            return Done.Refuse("Not enqueued", "The name of the task is missing.");
        }

        if (WhyNot(form) is { } why)
        {
            return Done.Refuse("Not enqueued", why);
        }

        try
        {
            var job = Job.FromJson(task, Json(form["args"]), Json(form["kwargs"])) with { Queue = Visit.Text(form["queue"]) };
            var handle = await visit.Site.Control.EnqueueAsync(job, visit.Stop).ConfigureAwait(false);
            Audit.Write(visit, "enqueue", $"{task} as {handle.Id}");
            return Done.To(Parts.Address("job", ("id", handle.Id)));
        }
        catch (Exception e) when (e is JobsException or ArgumentException or FormatException)
        {
            return Audit.Failed(visit, "enqueue", task, e);
        }
    }

    /// <summary>Why the arguments of a form cannot be sent; <see langword="null"/> when they can.</summary>
    public static string? WhyNot(IFormCollection form) =>
        form["cut"] == "yes" && form["whole"] != "yes"
            ? "The history may not have all of the arguments. Go back, fill in what is missing, and say that they are complete."
            : WhyNot(form["args"], form["kwargs"]);

    /// <summary>Why arguments cannot be sent as they are written; <see langword="null"/> when they can.</summary>
    public static string? WhyNot(string? args, string? kwargs) =>
        HasGap(args) || HasGap(kwargs)
            ? $"The arguments still have {ArgumentText.Mask} or … in the place of a value that was hidden or cut. Go back, and write the value."
            : null;

    /// <summary>What was written; <see langword="null"/> for nothing.</summary>
    public static string? Json(string? text) => string.IsNullOrWhiteSpace(text) ? null : text;

    static bool HasGap(string? text) =>
        text is not null
        && (text.Contains($"\"{ArgumentText.Mask}\"", StringComparison.Ordinal) || text.Contains("\"…\"", StringComparison.Ordinal));
}
