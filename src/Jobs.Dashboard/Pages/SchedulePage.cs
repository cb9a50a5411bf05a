using System.Globalization;
using Jobs.Dashboard.Access;
using Jobs.Dashboard.Actions;
using Jobs.Dashboard.Arguments;
using Jobs.Dashboard.Markup;
using Microsoft.AspNetCore.Http;

namespace Jobs.Dashboard.Pages;

/// <summary>The form that adds a schedule or changes one.</summary>
static class SchedulePage
{
    public static async Task<View> ShowAsync(Visit visit)
    {
        if (!visit.May(Rights.Administer))
        {
            return Layout.Message("Refused", Html.Of($"You do not have the right to change schedules."), 403);
        }

        var name = visit.Field("name");
        var all = await visit.Source.SchedulesAsync(visit.Stop, wait: true).ConfigureAwait(false);
        var schedule = name is null ? null : all.Value?.FirstOrDefault(one => one.Name == name);
        return schedule is null && name is not null
            ? Layout.Message("Not found", Html.Of($"There is no schedule of that name. {all.Problem}"), 404)
            : Form(visit, ScheduleForm.Of(schedule, visit), isNew: schedule is null, problem: null);
    }

    /// <summary>The form with what is filled in, and what is wrong with it.</summary>
    public static View Form(Visit visit, ScheduleForm form, bool isNew, string? problem)
    {
        const string Precedence = "A change here goes before what the code or the configuration says, until it is undone.";
        var title = isNew ? "Add a schedule" : "Change a schedule";
        var policies = Enum.GetValues<MisfirePolicy>().Select(policy => Parts.Option(policy.ToString(), policy == form.Misfire));
        var arguments = isNew || visit.May(Rights.Arguments)
            ? Arguments(form)
            : Html.Of($"""<p class="quiet">The arguments stay as they are. You do not have the right to see them.</p>""");
        return new(title, Html.Of($"""
            <h1>{title}</h1>
            {Parts.IfKnown(problem, why => Html.Of($"""<p class="note bad" role="alert">{why}</p>"""))}
            {Parts.If(!isNew, Html.Of($"""<p class="quiet">{Precedence}</p>"""))}
            <form method="post" action="schedule-set" class="sheet">
            {Parts.Hidden("new", isNew ? "yes" : null)}
            <label>Name <input name="name" value="{form.Name}" {(isNew ? "required" : "readonly")}></label>
            <label>Task <input name="task" value="{form.Task}" required placeholder="news.refresh"></label>
            <label>Cron expression, or an interval
            <input name="timing" value="{form.Timing}" required placeholder="*/15 * * * *  or  00:15:00"></label>
            <label>Time zone of the expression <input name="zone" value="{form.Zone}" placeholder="UTC"></label>
            {arguments}
            <label>Queue <input name="queue" value="{form.Queue}" placeholder="the queue of the task"></label>
            <label>When occurrences were missed <select name="misfire">{policies}</select></label>
            <div class="acts"><button class="main">Save</button> <a href="schedules">Cancel</a></div>
            </form>
            """), Html.Empty) { Status = problem is null ? 200 : 400 };
    }

    static Html Arguments(ScheduleForm form) => Html.Of($"""
        <label>Arguments, a JSON array <textarea name="args" rows="3" spellcheck="false">{form.Arguments}</textarea></label>
        <label>Named arguments, a JSON object <textarea name="kwargs" rows="2" spellcheck="false">{form.NamedArguments}</textarea></label>
        """);
}

/// <summary>What the form says.</summary>
/// <remarks>
/// The form shows the arguments of a schedule without what is sensitive. When somebody saves them as the form showed them,
/// or may not see them, the schedule keeps its arguments.
/// </remarks>
readonly record struct ScheduleForm(
    string? Name, string? Task, string? Timing, string? Zone, string? Arguments, string? NamedArguments, string? Queue, MisfirePolicy Misfire)
{
    public static ScheduleForm Of(ScheduleInfo? schedule, Visit visit) => new(
        schedule?.Name, schedule?.TaskName, schedule?.Cron ?? schedule?.Every?.ToString("c", CultureInfo.InvariantCulture), schedule?.TimeZone,
        Shown(schedule?.MaskedArguments, visit) ?? "[]", Shown(schedule?.MaskedNamedArguments, visit) ?? "{}",
        schedule?.Queue, schedule?.Misfire ?? MisfirePolicy.Once);

    public static ScheduleForm Of(IFormCollection form)
    {
        string? Field(string name) => Visit.Text(form[name]);
        return new(
            Field("name"), Field("task"), Field("timing"), Field("zone"),
            EnqueueAction.Json(form["args"]) ?? "[]", EnqueueAction.Json(form["kwargs"]) ?? "{}", Field("queue"),
            Enum.TryParse<MisfirePolicy>(Field("misfire"), out var policy) && Enum.IsDefined(policy) ? policy : MisfirePolicy.Once);
    }

    /// <summary>The form with the arguments of the schedule in the place of those that were hidden, or that nobody has changed.</summary>
    public ScheduleForm With(ScheduleInfo? schedule, Visit visit)
    {
        var shown = Of(schedule, visit);
        return this with
        {
            Arguments = Kept(Arguments, schedule?.Arguments, shown.Arguments),
            NamedArguments = Kept(NamedArguments, schedule?.NamedArguments, shown.NamedArguments),
        };

        string? Kept(string? written, string? known, string? masked) =>
            known is not null && (!visit.May(Rights.Arguments) || written?.Trim() == masked) ? known : written;
    }

    static string? Shown(string? json, Visit visit) => json is null ? null : ArgumentText.Of(json, visit.Site.SensitiveNames, isIndented: false).Json;
}
