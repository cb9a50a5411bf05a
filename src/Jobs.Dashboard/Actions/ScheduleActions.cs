using System.Globalization;
using Jobs.Dashboard.Markup;
using Jobs.Dashboard.Pages;
using Microsoft.AspNetCore.Http;

namespace Jobs.Dashboard.Actions;

/// <summary>Runs, pauses, resumes, adds, changes and undoes schedules.</summary>
static class ScheduleActions
{
    public static Task<Done> RunNowAsync(Visit visit, IFormCollection form) => DoAsync(visit, form, "run now", async name =>
    {
        var id = await visit.Site.Schedules.RunNowAsync(name, visit.Stop).ConfigureAwait(false);
        return Parts.Address("job", ("id", id));
    });

    public static Task<Done> PauseAsync(Visit visit, IFormCollection form) =>
        ChangeAsync(visit, form, "pause", visit.Site.Schedules.PauseAsync);

    public static Task<Done> ResumeAsync(Visit visit, IFormCollection form) =>
        ChangeAsync(visit, form, "resume", visit.Site.Schedules.ResumeAsync);

    public static Task<Done> RemoveAsync(Visit visit, IFormCollection form) =>
        ChangeAsync(visit, form, "undo changes of", visit.Site.Schedules.RemoveAsync);

    public static async Task<Done> SetAsync(Visit visit, IFormCollection form)
    {
        var filled = ScheduleForm.Of(form);
        var isNew = form["new"] == "yes";
        try
        {
            await SetAsync(visit, filled, isNew).ConfigureAwait(false);
            Audit.Write(visit, isNew ? "add schedule" : "change schedule", $"{filled.Name}: {filled.Timing} {filled.Task}");
            return Done.To("schedules");
        }
        catch (JobsException e)
        {
            Audit.Failed(visit, "set schedule", $"{filled.Name}: {filled.Timing} {filled.Task}", e);
            return Done.Show(SchedulePage.Form(visit, filled, isNew, e.Message));
        }
        catch (Exception e) when (e is ArgumentException or FormatException or TimeZoneNotFoundException or InvalidTimeZoneException)
        {
            return Done.Show(SchedulePage.Form(visit, filled, isNew, e.Message));
        }
    }

    static Task<Done> ChangeAsync(Visit visit, IFormCollection form, string action, Func<string, CancellationToken, Task<long>> change) =>
        DoAsync(visit, form, action, async name =>
        {
            await change(name, visit.Stop).ConfigureAwait(false);
            return "schedules";
        });

    static async Task SetAsync(Visit visit, ScheduleForm form, bool isNew)
    {
        var name = form.Name ?? throw new ArgumentException("The name is missing.");
        var timing = form.Timing ?? throw new ArgumentException("The timing is missing.");
        var all = await visit.Site.Schedules.ListAsync(visit.Stop).ConfigureAwait(false);
        var former = all.FirstOrDefault(one => one.Name == name);
        if (isNew && former is not null)
        {
            throw new ArgumentException($"There is a schedule '{name}' already. Change that one, or take another name.");
        }

        var task = form.Task ?? throw new ArgumentException("The task is missing.");
        var whole = form.With(former, visit);
        if (EnqueueAction.WhyNot(whole.Arguments, whole.NamedArguments) is { } why)
        {
            throw new ArgumentException(why);
        }

        var job = Job.FromJson(task, whole.Arguments, whole.NamedArguments) with
        {
            Queue = form.Queue,
            Delay = former?.Delay,
            Expires = former?.Expires,
            Priority = former?.Priority,
            Headers = former?.Headers,
        };
        if (TimeSpan.TryParseExact(timing, ["c", @"h\:mm", @"h\:mm\:ss"], CultureInfo.InvariantCulture, out var every))
        {
            await visit.Site.Schedules.SetAsync(name, every, job, form.Misfire, visit.Stop).ConfigureAwait(false);
        }
        else
        {
            var zone = form.Zone is { } id ? TimeZoneInfo.FindSystemTimeZoneById(id) : null;
            await visit.Site.Schedules.SetAsync(name, timing, job, zone, form.Misfire, visit.Stop).ConfigureAwait(false);
        }
    }

    static async Task<Done> DoAsync(Visit visit, IFormCollection form, string action, Func<string, Task<string>> act)
    {
        if (Visit.Text(form["name"]) is not { } name)
        {
            return Done.Refuse("Not done", "The name of the schedule is missing.");
        }

        try
        {
            var target = await act(name).ConfigureAwait(false);
            Audit.Write(visit, action, $"schedule {name}");
            return Done.To(target);
        }
        catch (Exception e) when (e is ArgumentException or JobsException)
        {
            return Audit.Failed(visit, action, $"schedule {name}", e);
        }
    }
}
