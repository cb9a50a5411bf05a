using Microsoft.Extensions.Logging;

namespace Jobs.Sqlite;

/// <summary>Every log line of the SQLite transport. Event ids begin at 500. Each change of state is logged once.</summary>
static partial class Log
{
    [LoggerMessage(500, LogLevel.Warning, "{File} cannot be written: {Problem}. Until it can, enqueueing fails and no job is taken; Jobs keeps trying")]
    public static partial void CannotWrite(ILogger logger, string file, string problem);

    [LoggerMessage(501, LogLevel.Information, "{File} can be written again; waiting work goes on")]
    public static partial void WritesAgain(ILogger logger, string file);

    [LoggerMessage(502, LogLevel.Warning, "A worker process ended without a goodbye; {Count} jobs that it held went back to their queues")]
    public static partial void SessionDied(ILogger logger, int count);

    [LoggerMessage(503, LogLevel.Information,
        "No doorbell at {Path}: {Problem}. Workers of other processes hear of new jobs within a second instead of at once")]
    public static partial void NoDoorbell(ILogger logger, string path, string problem);

    [LoggerMessage(504, LogLevel.Warning,
        "A job was enqueued in a transaction on a connection to {File} with 'PRAGMA synchronous' below FULL: a power cut may lose the job after its "
        + "commit. Further ones are not logged")]
    public static partial void WeakSync(ILogger logger, string file);
}
