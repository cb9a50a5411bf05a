using Microsoft.Extensions.Logging;

namespace Jobs.Diagnostics;

/// <summary>What the beat logs: events 300 to 349.</summary>
static partial class Log
{
    [LoggerMessage(300, LogLevel.Information, "The beat fires {Count} schedules")]
    public static partial void BeatStarted(ILogger logger, int count);

    [LoggerMessage(301, LogLevel.Debug, "Slot {JobId} enqueued {LateSeconds} s after its time")]
    public static partial void SlotFired(ILogger logger, string jobId, double lateSeconds);

    [LoggerMessage(302, LogLevel.Warning, "Schedule {Schedule} missed {Count} slots up to {Slot:u}; its misfire policy {Policy} does not fire them")]
    public static partial void SlotsDropped(ILogger logger, string schedule, int count, DateTimeOffset slot, MisfirePolicy policy);

    [LoggerMessage(303, LogLevel.Error, "Slot {JobId} of schedule {Schedule} cannot be enqueued as it is, and is dropped")]
    public static partial void SlotRefused(ILogger logger, string jobId, string schedule, Exception exception);

    [LoggerMessage(EventId = 304, Message = "Slot {JobId} of schedule {Schedule} could not be enqueued; it is tried again, with the same id, until it gets through or its misfire policy drops it")]
    public static partial void SlotNotEnqueued(ILogger logger, LogLevel level, string jobId, string schedule, Exception exception);

    [LoggerMessage(305, LogLevel.Information, "Schedule {Schedule} gets through again: slot {JobId} enqueued after {Failures} failed attempts")]
    public static partial void ScheduleRecovered(ILogger logger, string schedule, string jobId, int failures);
}
