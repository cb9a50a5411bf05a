using Microsoft.Extensions.Logging;

namespace Jobs.Dashboard;

/// <summary>What all requests of one dashboard share.</summary>
sealed record Site(
    string Title, JobInspector Inspector, JobControl Control, JobSchedules Schedules, Source Source,
    IReadOnlyList<string> SensitiveNames, TimeProvider Time, ILogger Logger);
