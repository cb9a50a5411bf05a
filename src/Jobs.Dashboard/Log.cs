using Microsoft.Extensions.Logging;

namespace Jobs.Dashboard;

/// <summary>The log lines of this project. The ids of events are stable.</summary>
static partial class Log
{
    [LoggerMessage(EventId = 600, Level = LogLevel.Information, Message = "Dashboard: {Url}{Where}")]
    public static partial void Address(ILogger logger, string url, string where);

    [LoggerMessage(EventId = 601, Level = LogLevel.Warning, Message =
        "The dashboard has answered 404 to a request for {Path}, because nobody has said who may see it, and {Reason}. Say it with "
        + "MapJobsDashboard(…).RequireAuthorization(…), or open the link with the token that this log has. This line comes once.")]
    public static partial void Closed(ILogger logger, string path, string reason);

    [LoggerMessage(EventId = 602, Level = LogLevel.Information, Message =
        "Dashboard: a browser at {Address} has used the token. The link for another browser: {Url}")]
    public static partial void TokenUsed(ILogger logger, string? address, string url);

    [LoggerMessage(EventId = 603, Level = LogLevel.Information, Message = "Dashboard: {User} at {Address}: {Action}: {What} ({Count})")]
    public static partial void Action(ILogger logger, string user, string? address, string action, string what, string count);

    [LoggerMessage(EventId = 604, Level = LogLevel.Warning, Message = "Dashboard: {User} at {Address} was refused: {Action}: {Reason}")]
    public static partial void ActionRefused(ILogger logger, string user, string? address, string action, string reason);

    [LoggerMessage(EventId = 605, Level = LogLevel.Error, Message = "The dashboard could not answer {Path}")]
    public static partial void PageFailed(ILogger logger, Exception exception, string path);

    [LoggerMessage(EventId = 606, Level = LogLevel.Error, Message = "The dashboard could not find something out")]
    public static partial void QuestionFailed(ILogger logger, Exception exception);
}
