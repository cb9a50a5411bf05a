using Microsoft.AspNetCore.Http;

namespace Jobs.Dashboard.Actions;

/// <summary>Writes a line for each thing that a visitor does: who, what, to how many.</summary>
static class Audit
{
    public static void Write(Visit visit, string action, string what, string count = "1") =>
        Log.Action(visit.Site.Logger, User(visit), Address(visit), action, DashboardHandler.Clean(what), count);

    public static string User(Visit visit) => DashboardHandler.Clean(visit.Http.User.Identity?.Name ?? "somebody");

    public static string? Address(Visit visit) => visit.Http.Connection.RemoteIpAddress?.ToString();
}
