using System.Globalization;
using Jobs.Dashboard.Access;
using Jobs.Dashboard.Markup;
using Jobs.Dashboard.Pages;
using Microsoft.AspNetCore.Http;

namespace Jobs.Dashboard.Actions;

/// <summary>Sends dead letters back, or deletes them: those that are selected, or all that match.</summary>
static class DeadLetterActions
{
    /// <summary>How many jobs a search may select. They are named one by one in the request.</summary>
    const int MostFound = 1_000;

    const string Confirmed = "delete";

    public static async Task<Done> RetryAsync(Visit visit, IFormCollection form)
    {
        if (EnqueueAction.WhyNot(form) is { } why)
        {
            return Done.Refuse("Not retried", why);
        }

        if (await SelectedAsync(visit, form).ConfigureAwait(false) is not { } selected)
        {
            return Done.Refuse("Nothing selected", "Go back, and select at least one job.");
        }

        var options = new DeadLetterRetry
        {
            Wait = false,
            Arguments = EnqueueAction.Json(form["args"]),
            NamedArguments = EnqueueAction.Json(form["kwargs"]),
        };
        return await RequestAsync(
            visit,
            "retry dead letters",
            selected,
            query => visit.Site.Control.RetryDeadLettersAsync(query, options, visit.Stop)).ConfigureAwait(false);
    }

    public static async Task<Done> DeleteAsync(Visit visit, IFormCollection form)
    {
        if (await SelectedAsync(visit, form).ConfigureAwait(false) is not { } selected)
        {
            return Done.Refuse("Nothing selected", "Go back, and select at least one job.");
        }

        return Visit.Text(form["confirm"]) != Confirmed
            ? Done.Show(Confirm(form, selected))
            : await RequestAsync(
                visit,
                "delete dead letters",
                selected,
                query => visit.Site.Control.DeleteDeadLettersAsync(query, wait: false, visit.Stop)).ConfigureAwait(false);
    }

    static async Task<Done> RequestAsync(Visit visit, string action, Selection selected, Func<DeadLetterQuery, Task<DeadLetterRequest>> ask)
    {
        try
        {
            var request = await ask(selected.Query).ConfigureAwait(false);
            Audit.Write(visit, action, $"{selected.Says}; request {request.Id}", Words.Number(selected.Count));
            var count = selected.Count.ToString(CultureInfo.InvariantCulture);
            return Done.To(Parts.Address("request", ("id", request.Id), ("of", count), ("part", selected.IsPart ? "yes" : null)));
        }
        catch (Exception e) when (e is JobsException or ArgumentException)
        {
            return Audit.Failed(visit, action, selected.Says, e, Words.Number(selected.Count));
        }
    }

    static async Task<Selection?> SelectedAsync(Visit visit, IFormCollection form)
    {
        if (form["found"] == "yes")
        {
            var asked = JobListPage.Query(visit, name => Visit.Text(form[$"query.{name}"]));
            if (JobListPage.WhyNot(asked, visit) is not null)
            {
                return null;
            }

            var query = asked with { States = [JobState.Dead], Cursor = null, PageSize = MostFound };
            var page = await visit.Site.Inspector.SearchAsync(query, visit.Stop).ConfigureAwait(false);
            string[] found = [.. page.Jobs.Select(job => job.Id)];
            var says = page.Next is null ? "all found" : $"the first {Words.Number(found.Length)} found";
            return found.Length == 0 ? null : new(new() { Ids = found }, found.Length, says, true, page.Next is not null);
        }

        if (form["all"] == "yes")
        {
            var query = DeadLettersPage.Query(name => Visit.Text(form[name]));
            var total = (await visit.Site.Inspector.DeadLettersAsync(query, limit: 1, cancellationToken: visit.Stop).ConfigureAwait(false)).Total;
            var fields = DeadLettersPage.Fields(query).Where(field => field.Value is not null).Select(field => $"{field.Name} {field.Value}").ToList();
            return new(query, total, fields.Count == 0 ? "all" : $"all with {string.Join(", ", fields)}", true);
        }

        string[] ids = [.. form["ids"].OfType<string>().Where(id => id.Length > 0).Distinct()];
        return ids.Length == 0 ? null : new(new() { Ids = ids }, ids.Length, string.Join(", ", ids.Take(5)) + (ids.Length > 5 ? " …" : ""), false);
    }

    // A page and not a dialog of the script, so that nobody deletes without having seen it.
    static View Confirm(IFormCollection form, Selection selected)
    {
        var fields = form.Where(field => field.Key != "confirm").SelectMany(field => field.Value.Select(value => Parts.Hidden(field.Key, value)));
        var confirm = selected.IsMany
            ? Html.Of($"""<label>Type <b>{Confirmed}</b> <input name="confirm" required pattern="{Confirmed}" autocomplete="off"></label>""")
            : Parts.Hidden("confirm", Confirmed);
        return new("Delete", Html.Of($"""
            <h1>Delete {Words.Count(selected.Count, "dead letter")}?</h1>
            <p>{(selected.IsMany ? $"These are {selected.Says}. " : "")}The jobs are gone for good.</p>
            <form method="post" action="delete-dead" class="sheet">
            {fields}
            {confirm}
            <div class="acts"><button class="danger">Delete {Words.Number(selected.Count)}</button> <a href="dead">Cancel</a></div>
            </form>
            """), Html.Empty);
    }

    sealed record Selection(DeadLetterQuery Query, int Count, string Says, bool IsMany, bool IsPart = false);
}
