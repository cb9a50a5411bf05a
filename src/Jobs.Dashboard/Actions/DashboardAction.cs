using Jobs.Dashboard.Access;
using Jobs.Dashboard.Markup;
using Microsoft.AspNetCore.Http;

namespace Jobs.Dashboard.Actions;

/// <summary>What comes of an action: another page to go to, or a page to show at once.</summary>
/// <param name="GoTo">The page, relative to the others.</param>
/// <param name="View">What to show when there is no page to go to.</param>
readonly record struct Done(string? GoTo, View View)
{
    public static Done To(string page) => new(page, default);

    public static Done Show(View view) => new(null, view);

    /// <summary>Nothing was done, and a sentence says why.</summary>
    public static Done Refuse(string title, string why, int status = 400) => Show(Layout.Message(title, Html.Of($"{why}"), status));
}

/// <summary>Something that a visitor can do: the target of a form.</summary>
/// <param name="Path">The address of the form.</param>
/// <param name="Needs">The right.</param>
/// <param name="RunAsync">Does it.</param>
sealed record DashboardAction(string Path, Rights Needs, Func<Visit, IFormCollection, Task<Done>> RunAsync)
{
    public static IReadOnlyList<DashboardAction> All { get; } =
    [
        new("retry-dead", Rights.Act, DeadLetterActions.RetryAsync),
        new("delete-dead", Rights.Act, DeadLetterActions.DeleteAsync),
        new("enqueue", Rights.Act, EnqueueAction.RunAsync),
        new("schedule-run-now", Rights.Act, ScheduleActions.RunNowAsync),
        new("schedule-pause", Rights.Administer, ScheduleActions.PauseAsync),
        new("schedule-resume", Rights.Administer, ScheduleActions.ResumeAsync),
        new("schedule-remove", Rights.Administer, ScheduleActions.RemoveAsync),
        new("schedule-set", Rights.Administer, ScheduleActions.SetAsync),
    ];
}
