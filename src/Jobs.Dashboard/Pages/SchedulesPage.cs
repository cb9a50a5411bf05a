using Jobs.Dashboard.Access;
using Jobs.Dashboard.Markup;

namespace Jobs.Dashboard.Pages;

/// <summary>What runs when, what is late, and what has been missed.</summary>
static class SchedulesPage
{
    public static async Task<View> ShowAsync(Visit visit)
    {
        var schedules = await visit.Source.SchedulesAsync(visit.Stop).ConfigureAwait(false);
        return new("Schedules", Html.Of($"""
            <h1>Schedules</h1>
            {(visit.May(Rights.Administer) ? Html.Of($"""<div class="acts"><a class="button" href="schedule">Add a schedule</a></div>""") : Html.Empty)}
            """), Html.Of($"{List(schedules, visit)}{Parts.Problem(schedules.Problem)}"));
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
        ("Schedule", Html.Of($"""{Parts.Name(schedule.Name)}{(schedule.IsSetAtRunTime ? Html.Of($""" <span class="quiet small">set at run time</span>""") : Html.Empty)}""")),
        ("When", Html.Of($"""{schedule.Words}<br><code class="quiet">{schedule.Timing}</code>""")),
        ("Task", schedule.TaskName is null ? Html.Of($"–") : Html.Of($"""<a href="{Parts.Address("jobs", ("task", schedule.TaskName))}">{Parts.Name(schedule.TaskName)}</a>""")),
        ("Last", schedule.LastJobId is { } id ? Html.Of($"{Parts.Ago(schedule.LastOccurrence, visit.Now)}<br>{Parts.Job(id)}") : Html.Of($"–")),
        ("Next", Parts.Ago(schedule.NextOccurrence, visit.Now)),
        ("State", State(schedule)),
        ("Do", Acts(schedule, visit)));

    static Html State(ScheduleInfo schedule) => schedule switch
    {
        { IsPaused: true } => Html.Of($"""<span class="state retrying">paused</span>"""),
        { Lateness: { } late } when late > TimeSpan.FromSeconds(5) => Html.Of($"""<span class="state dead">late</span> by {Words.Span(late)}{Missed(schedule.Missed ?? 0)}"""),
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
        <div class="acts">{(visit.May(Rights.Act) ? Form("run-now", "Run now", schedule) : Html.Empty)}{(visit.May(Rights.Administer)
            ? Html.Of($"""{(schedule.IsPaused ? Form("resume", "Resume", schedule) : Form("pause", "Pause", schedule))}<a class="button" href="{Parts.Address("schedule", ("name", schedule.Name))}">Change</a>{(schedule.IsSetAtRunTime ? Form("remove", "Undo", schedule) : Html.Empty)}""")
            : Html.Empty)}</div>
        """);

    static Html Form(string action, string name, ScheduleInfo schedule) =>
        Html.Of($"""<form method="post" action="schedule-{action}">{Parts.Hidden("name", schedule.Name)}<button>{name}<span class="unseen"> {schedule.Name}</span></button></form>""");
}
