using Microsoft.CodeAnalysis;

namespace Jobs.Generators;

/// <summary>The problems that the generator reports. README.md explains each one with an example.</summary>
static class Diagnostics
{
    public static readonly DiagnosticDescriptor DuplicateName = Error(
        "JOBS101", "Two tasks have one name", "Two tasks are called '{0}': {1} and {2}. Give one of them another name: [Task(\"…\")].");

    public static readonly DiagnosticDescriptor InvalidName = Error(
        "JOBS102", "Not a task name", "'{0}' is not a task name: use 1 to 200 letters, digits, '.', '_', '-' or ':', beginning with a letter or '_', "
            + "for example [Task(\"news.refresh\")]");

    public static readonly DiagnosticDescriptor InvalidCron = Error(
        "JOBS103", "Not a cron expression", "'{0}' is not a cron expression: {1}. Give five fields (minute hour day month weekday), six with seconds "
            + "first, or a macro such as @daily.");

    // A warning, because the machine that builds may know fewer time zones than the machine that runs. There, a beat
    // with an unknown time zone does not start.
    public static readonly DiagnosticDescriptor InvalidTimeZone = new(
        "JOBS104", "Not a time zone", "'{0}' is not a time zone that this machine knows: use an IANA id such as 'Europe/London', or leave TimeZone out for UTC",
        "Jobs", DiagnosticSeverity.Warning, isEnabledByDefault: true);

    public static readonly DiagnosticDescriptor InvalidInterval = Error(
        "JOBS105", "Not an interval", "The interval of [Every] on {0} is {1}; it must be at least one second, for example [Every(minutes: 5)]");

    public static readonly DiagnosticDescriptor InvalidParameter = Error(
        "JOBS106", "A parameter that cannot be sent", "Parameter '{0}' of {1} cannot be sent in a job: {2} is {3}. {4}.");

    public static readonly DiagnosticDescriptor Generic = Error(
        "JOBS107", "A task in open generic code", "{0} has type parameters, and a job cannot say what they are; write a method without them that calls it");

    public static readonly DiagnosticDescriptor NotReachable = Error(
        "JOBS108", "A task that cannot be called", "{0} cannot be a task: {1}. {2}.");

    public static readonly DiagnosticDescriptor AsyncVoid = Error(
        "JOBS109", "A task that is async void", "{0} is async void: its job would be acknowledged before it is done, and its exception would end the "
            + "process. Return Task.");

    public static readonly DiagnosticDescriptor ScheduleNeedsArguments = Error(
        "JOBS110", "A schedule without arguments", "[{0}] cannot run {1}: its parameter '{2}' has no default. Give it one, or add the schedule in "
            + "code with jobs.AddSchedule(name, …, job).");

    public static readonly DiagnosticDescriptor ScheduleWithoutTask = Error(
        "JOBS111", "A schedule without a task", "[{0}] on {1} does nothing: the method is not a task. Add [Task].");

    public static readonly DiagnosticDescriptor InvalidSetting = Error(
        "JOBS112", "A setting out of range", "{0} = {1} on {2} is out of range: {3}");

    public static readonly DiagnosticDescriptor InvalidResult = Error(
        "JOBS113", "A result that cannot be sent", "The result of {0} cannot be sent: {1} is {2}. {3}.");

    public static readonly DiagnosticDescriptor DuplicateFactory = Error(
        "JOBS114", "Two tasks have one factory method", "{0} and {1} both become {2}. Rename one of the methods.");

    public static readonly DiagnosticDescriptor NameTaken = Error(
        "JOBS115", "A generated class has no name", "{0} exists already, and the generated class with the {1} of {2} needs this name. Rename {0} or {2}, or "
            + "declare {0} as a static partial class.");

    public static readonly IReadOnlyDictionary<string, DiagnosticDescriptor> ById = new[]
    {
        DuplicateName, InvalidName, InvalidCron, InvalidTimeZone, InvalidInterval, InvalidParameter, Generic, NotReachable,
        AsyncVoid, ScheduleNeedsArguments, ScheduleWithoutTask, InvalidSetting, InvalidResult, DuplicateFactory, NameTaken,
    }.ToDictionary(d => d.Id);

    static DiagnosticDescriptor Error(string id, string title, string message) =>
        new(id, title, message, "Jobs", DiagnosticSeverity.Error, isEnabledByDefault: true);
}
