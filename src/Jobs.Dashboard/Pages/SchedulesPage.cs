using Jobs.Dashboard.Access;
using Jobs.Dashboard.Markup;

namespace Jobs.Dashboard.Pages;

/// <summary>What runs when, what is late, and what has been missed.</summary>
static class SchedulesPage
{
    public static async Task<View> ShowAsync(Visit visit)
    {
        var schedules = await visit.Source.SchedulesAsync(visit.Stop).ConfigureAwait(false);
        var add = Html.Of($"""<div class="acts"><a class="button" href="schedule">Add a schedule</a></div>""");
        return new(
            "Schedules",
            Html.Of($"<h1>Schedules</h1>{Parts.If(visit.May(Rights.Administer), add)}"),
            Html.Of($"{List(schedules, visit)}{Parts.Problem(schedules.Problem)}"));
    }

    static Html List(Sample<IReadOnlyList<ScheduleInfo>> sample, Visit visit)
    {
        if (sample.Value is not { } schedules)
        {
            return sample.IsPending ? Parts.Pending("the beats") : Html.Empty;
        }

        return schedules.Count == 0
            ? Parts.Nothing("There is no schedule. A schedule is a [Cron] or [Every] on a task, an AddSchedule, or one that is added here.")
            : Parts.Table("Schedules", ["Schedule", "When", "Task", "Last", "Next", "State", "Do"], schedules.Select(schedule => Row(schedule, visit)));
    }

    static Html Row(ScheduleInfo schedule, Visit visit) => Parts.Row(
        ("Schedule", Name(schedule)),
        ("When", Html.Of($"""{schedule.Words}<br><code class="quiet">{schedule.Timing}</code>""")),
        ("Task", Task(schedule.TaskName)),
        ("Last", schedule.LastJobId is { } id ? Html.Of($"{Parts.Ago(schedule.LastOccurrence, visit.Now)}<br>{Parts.Job(id)}") : Html.Of($"–")),
        ("Next", Parts.Ago(schedule.NextOccurrence, visit.Now)),
        ("State", State(schedule)),
        ("Do", Acts(schedule, visit)));

    static Html Name(ScheduleInfo schedule)
    {
        var note = Parts.If(schedule.IsSetAtRunTime, Html.Of($""" <span class="quiet small">set at run time</span>"""));
        return Html.Of($"{Parts.Name(schedule.Name)}{note}");
    }

    static Html Task(string? name) => name is null
        ? Html.Of($"–")
        : Html.Of($"""<a href="{Parts.Address("jobs", ("task", name))}">{Parts.Name(name)}</a>""");

    static Html State(ScheduleInfo schedule) => schedule switch
    {
        { IsPaused: true } => Html.Of($"""<span class="state retrying">paused</span>"""),
        { Lateness: { } late } when late > TimeSpan.FromSeconds(5) =>
            Html.Of($"""<span class="state dead">late</span> by {Words.Span(late)}{Missed(schedule.Missed ?? 0)}"""),
        { Lateness: not null } => Html.Of($"""<span class="state succeeded">on time</span>"""),
        _ => Html.Of($"""<span class="state unknown">unknown</span>"""),
    };

    static string Missed(int missed) => missed switch
    {
        0 => "",
        >= 1_000 => ", 1,000 or more missed",
        _ => $", {Words.Number(missed)} missed",
    };

    static Html Acts(ScheduleInfo schedule, Visit visit) => Html.Of($"""
        <div class="acts">
        {Parts.If(visit.May(Rights.Act), Form("run-now", "Run now", schedule))}
        {Parts.If(visit.May(Rights.Administer), Changes(schedule))}
        </div>
        """);

    static Html Changes(ScheduleInfo schedule) => Html.Of($"""
        {(schedule.IsPaused ? Form("resume", "Resume", schedule) : Form("pause", "Pause", schedule))}
        <a class="button" href="{Parts.Address("schedule", ("name", schedule.Name))}">Change</a>
        {Parts.If(schedule.IsSetAtRunTime, Form("remove", "Undo", schedule))}
        """);

    static Html Form(string action, string name, ScheduleInfo schedule) => Html.Of($"""
        <form method="post" action="schedule-{action}">{Parts.Hidden("name", schedule.Name)}
        <button>{name}<span class="unseen"> {schedule.Name}</span></button></form>
        """);
}
