using Microsoft.AspNetCore.Http;

namespace Jobs.Dashboard.Actions;

/// <summary>Writes a line for each thing that a visitor does: who, what, to how many.</summary>
static class Audit
{
    public static void Write(Visit visit, string action, string what, string count = "1") =>
        Log.Action(visit.Site.Logger, User(visit), Address(visit), action, DashboardHandler.Clean(what), count);

    /// <summary>What did not get through may have been done all the same. So there is a line for it too.</summary>
    public static Done Failed(Visit visit, string action, string what, Exception why, string count = "1")
    {
        Write(visit, action, $"{what}; failed: {why.Message}", count);
        return Done.Refuse("It may not have been done", why.Message, 503);
    }

    public static string User(Visit visit) => DashboardHandler.Clean(visit.Http.User.Identity?.Name ?? "somebody");

    public static string? Address(Visit visit) => visit.Http.Connection.RemoteIpAddress?.ToString();
}
