using Microsoft.AspNetCore.Http;

namespace Jobs.Dashboard.Actions;

/// <summary>Writes a line for each thing that a visitor does: who, what, to how many.</summary>
static class Audit
{
    public static void Write(Visit visit, string action, string what, string count = "1") =>
        Log.Action(visit.Site.Logger, User(visit), Address(visit), action, DashboardHandler.Clean(what), count);

    /// <summary>
    /// Tells the visitor why an action failed. An action that did not get through may have been done all the same, so the
    /// log has a line for it. A refused action has changed nothing.
    /// </summary>
    public static Done Failed(Visit visit, string action, string what, Exception why, string count = "1")
    {
        if (why is not JobsException)
        {
            return Done.Refuse("Not done", why.Message);
        }

        Write(visit, action, $"{what}; failed: {why.Message}", count);
        return Done.Refuse("It may not have been done", why.Message, 503);
    }

    public static string User(Visit visit) => DashboardHandler.Clean(visit.Http.User.Identity?.Name ?? "somebody");

    public static string? Address(Visit visit) => visit.Http.Connection.RemoteIpAddress?.ToString();
}
