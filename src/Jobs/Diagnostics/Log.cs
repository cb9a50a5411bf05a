using Microsoft.Extensions.Logging;

namespace Jobs.Diagnostics;

/// <summary>
/// Every line that the core logs. Event ids are stable: 100 worker, 120 results, 140 events, 150 keeper, 200 jobs, 300
/// beat, 340 history.
/// </summary>
static partial class Log
{
    [LoggerMessage(100, LogLevel.Information, "Worker takes jobs from {Queues}: {Concurrency} at a time, prefetch {Prefetch} per queue")]
    public static partial void WorkerStarted(ILogger logger, string queues, int concurrency, int prefetch);

    [LoggerMessage(101, LogLevel.Information, "Worker stopped; nothing is left in hand")]
    public static partial void WorkerStopped(ILogger logger);

    [LoggerMessage(102, LogLevel.Warning, "Jobs are still running after {DrainTimeout}: the worker cancels their tokens now, then gives the jobs back "
        + "without spending an attempt")]
    public static partial void DrainDeadline(ILogger logger, TimeSpan drainTimeout);

    [LoggerMessage(103, LogLevel.Warning, "Jobs ignored their cancelled token; they are given back and will run again elsewhere")]
    public static partial void JobsIgnoredStop(ILogger logger);

    [LoggerMessage(104, LogLevel.Error, "Job {JobId} from {Queue} could not be settled; it is given back and will run again")]
    public static partial void SettlementFailed(ILogger logger, string queue, string? jobId, Exception e);

    [LoggerMessage(105, LogLevel.Error, "The worker takes no more jobs until this process is restarted: the transport failed to deliver one. Jobs "
        + "that the worker already has still run")]
    public static partial void ReaderEnded(ILogger logger, Exception e);

    [LoggerMessage(106, LogLevel.Error, "Job {JobId} from {Queue} was acknowledged before its run (AckEarly), and its dead letter could not be "
        + "written: the job is lost, and only this line tells of it")]
    public static partial void LostAfterEarlyAck(ILogger logger, string queue, string? jobId, Exception e);

    [LoggerMessage(107, LogLevel.Warning, "Jobs block all threads of this process, so that it cannot serve its connections. The thread pool may now "
        + "have {Threads} threads. Let such jobs wait asynchronously, or lower Concurrency")]
    public static partial void ThreadsBlocked(ILogger logger, int threads);

    [LoggerMessage(108, LogLevel.Warning, "Two settings do not go together: {Contradiction}")]
    public static partial void SettingsContradict(ILogger logger, string contradiction);

    [LoggerMessage(120, LogLevel.Warning, "Job {Task} {JobId} waits for the result of job {Awaited} in its slot. When all slots wait for jobs that "
        + "need a slot, nothing runs any more: compose the jobs with Then, or enqueue the second job and return")]
    public static partial void WaitsInsideOfJob(ILogger logger, string task, string jobId, string awaited);

    [LoggerMessage(121, LogLevel.Warning, "News of job {Task} {JobId} did not reach its caller. The job goes on")]
    public static partial void NewsNotSent(ILogger logger, string task, string jobId, Exception exception);

    [LoggerMessage(140, LogLevel.Warning, "{Count} events were dropped, because they could not be sent in time. Jobs go on; viewers miss these "
        + "events. Further ones are said once a minute")]
    public static partial void EventsDropped(ILogger logger, long count);

    [LoggerMessage(141, LogLevel.Warning, "This worker cannot hear of viewers, and sends counts instead of single events to them; it keeps trying. "
        + "Jobs go on")]
    public static partial void ViewersUnheard(ILogger logger, Exception exception);

    [LoggerMessage(150, LogLevel.Debug, "This process is the keeper now, and knows of {Count} dead letters")]
    public static partial void KeeperLeads(ILogger logger, int count);

    [LoggerMessage(151, LogLevel.Debug, "This process is the keeper no more: {Reason}. Another process goes on, or this one does in a moment")]
    public static partial void KeeperLost(ILogger logger, string reason);

    [LoggerMessage(152, LogLevel.Error, "The keeper failed, and stands by again in a moment. Another process goes on, if there is one")]
    public static partial void KeeperFailed(ILogger logger, Exception exception);

    [LoggerMessage(153, LogLevel.Warning, "A record of the keeper's journal cannot be read by this version, which keeps the record as it is. Did a "
        + "newer version write it?")]
    public static partial void KeeperRecordUnreadable(ILogger logger, Exception exception);

    [LoggerMessage(154, LogLevel.Warning, "The keeper's journal could not be shortened. Nothing is lost, and the keeper tries again")]
    public static partial void KeeperNotRewritten(ILogger logger, Exception exception);

    [LoggerMessage(155, LogLevel.Warning, "The keeper could not look through the dead letters in {Queue}. Nothing is lost, and the keeper tries again")]
    public static partial void LettersNotSwept(ILogger logger, string queue, Exception exception);

    [LoggerMessage(156, LogLevel.Information, "{Count} dead letters were {Action} (request {Request}); {Kept} that were selected stay")]
    public static partial void LettersMoved(ILogger logger, int count, string action, string request, int kept);

    [LoggerMessage(200, LogLevel.Debug, "{Task} {JobId} succeeded")]
    public static partial void Succeeded(ILogger logger, string task, string jobId);

    [LoggerMessage(201, LogLevel.Warning, "{Task} {JobId} failed; retry {Retry} of {MaxRetries} in {Delay}")]
    public static partial void Retrying(ILogger logger, string task, string jobId, int retry, int maxRetries, TimeSpan delay, Exception e);

    [LoggerMessage(202, LogLevel.Error, "{Task} {JobId} from {Queue} goes to the dead-letter queue: {Reason}")]
    public static partial void Dead(ILogger logger, string task, string jobId, string queue, string reason, Exception? e);

    [LoggerMessage(203, LogLevel.Information, "{Task} {JobId} expired at {Expires} and is dropped without running")]
    public static partial void Expired(ILogger logger, string task, string jobId, DateTimeOffset expires);

    [LoggerMessage(204, LogLevel.Information, "{Task} {JobId} was interrupted by the stop of this worker; it will run again, and no attempt is spent")]
    public static partial void Interrupted(ILogger logger, string task, string jobId);

    [LoggerMessage(205, LogLevel.Warning, "The service scope of {Task} {JobId} failed to close; the job's outcome stands")]
    public static partial void ScopeDisposalFailed(ILogger logger, string task, string jobId, Exception e);

    [LoggerMessage(206, LogLevel.Information, "{Task} {JobId} asked to be run again in {Delay}, and spends no attempt: {Reason}")]
    public static partial void Snoozed(ILogger logger, string task, string jobId, TimeSpan delay, string? reason);

    [LoggerMessage(300, LogLevel.Information, "The beat knows {Count} schedules and stands by; the beat fires the schedules while it leads")]
    public static partial void BeatStarted(ILogger logger, int count);

    [LoggerMessage(301, LogLevel.Debug, "Occurrence {JobId} enqueued {LateSeconds} s after its time")]
    public static partial void OccurrenceFired(ILogger logger, string jobId, double lateSeconds);

    [LoggerMessage(302, LogLevel.Warning, "Schedule {Schedule} missed {Count} occurrences up to {Occurrence:u}; its misfire policy {Policy} does not "
        + "fire them")]
    public static partial void OccurrencesDropped(ILogger logger, string schedule, int count, DateTimeOffset occurrence, MisfirePolicy policy);

    [LoggerMessage(303, LogLevel.Error, "Occurrence {JobId} of schedule {Schedule} cannot be enqueued as it is, and is dropped")]
    public static partial void OccurrenceRefused(ILogger logger, string jobId, string schedule, Exception exception);

    [LoggerMessage(EventId = 304, Message = "Occurrence {JobId} of schedule {Schedule} could not be enqueued. The beat tries again, with the same id, "
        + "until it succeeds or the misfire policy drops the occurrence")]
    public static partial void OccurrenceNotEnqueued(ILogger logger, LogLevel level, string jobId, string schedule, Exception exception);

    [LoggerMessage(305, LogLevel.Information, "Schedule {Schedule} works again: occurrence {JobId} enqueued after {Failures} failed attempts")]
    public static partial void ScheduleRecovered(ILogger logger, string schedule, string jobId, int failures);

    [LoggerMessage(306, LogLevel.Information, "This beat leads now and fires {Count} schedules, beginning with the occurrences that are due since the "
        + "last leader")]
    public static partial void BeatLeads(ILogger logger, int count);

    [LoggerMessage(307, LogLevel.Warning, "This beat leads no more: {Reason}. Another beat goes on, if there is one; this beat stands by")]
    public static partial void BeatLost(ILogger logger, string reason);

    [LoggerMessage(308, LogLevel.Error, "The beat failed and stands by again in a moment. Another beat goes on, if there is one")]
    public static partial void BeatFailed(ILogger logger, Exception exception);

    [LoggerMessage(309, LogLevel.Warning, "The beat cannot record which occurrences it has fired, and tries again. If this beat died now, the next "
        + "leader would fire these occurrences again, with the same ids")]
    public static partial void OccurrencesNotRecorded(ILogger logger, Exception exception);

    [LoggerMessage(310, LogLevel.Warning, "A record of the beats' journal cannot be read by this version, which keeps the record as it is. Did a "
        + "newer version, or another program, write the record?")]
    public static partial void RecordUnreadable(ILogger logger, Exception exception);

    [LoggerMessage(311, LogLevel.Error, "This beat cannot use schedule {Schedule}, which was set at run time. The schedule does not fire; set it "
        + "again or remove it")]
    public static partial void ScheduleUnusable(ILogger logger, string schedule, Exception exception);

    [LoggerMessage(312, LogLevel.Warning, "The beats' journal could not be shortened. Nothing is lost, and the beat tries again")]
    public static partial void SnapshotFailed(ILogger logger, Exception exception);

    [LoggerMessage(314, LogLevel.Warning, "The clock was set back: schedule {Schedule} had fired up to {Occurrence:u}, and the time is {Now:u}. The "
        + "schedule goes on from now; occurrences that had fired come again, with the same ids")]
    public static partial void ClockSetBack(ILogger logger, string schedule, DateTimeOffset occurrence, DateTimeOffset now);

    [LoggerMessage(313, LogLevel.Error, "Schedule {Schedule} failed; it goes on in a minute, from where it stopped")]
    public static partial void ScheduleFailed(ILogger logger, string schedule, Exception exception);

    [LoggerMessage(315, LogLevel.Information, "Job {JobId} of schedule {Schedule} enqueued, because somebody asked to run it now")]
    public static partial void RunEnqueued(ILogger logger, string jobId, string schedule);

    [LoggerMessage(EventId = 316, Message = "Job {JobId} of schedule {Schedule}, which somebody asked to run now, could not be enqueued. The beat tries "
        + "again, with the same id, until {Limit} after the request")]
    public static partial void RunNotEnqueued(ILogger logger, LogLevel level, string jobId, string schedule, TimeSpan limit, Exception exception);

    [LoggerMessage(317, LogLevel.Warning, "Somebody asked to run schedule {Schedule} now, which this beat does not know: job {JobId} waits for a beat that "
        + "does, until {Limit} after the request")]
    public static partial void RunWaits(ILogger logger, string jobId, string schedule, TimeSpan limit);

    [LoggerMessage(318, LogLevel.Warning, "Job {JobId} of schedule {Schedule}, which somebody asked to run now, is dropped without running: the request is "
        + "{Age} old, or the schedule was removed since")]
    public static partial void RunDropped(ILogger logger, string jobId, string schedule, TimeSpan age);

    [LoggerMessage(340, LogLevel.Warning, "The history cannot be read: {Problem}. Answers about jobs and workers lack what is new; Jobs keeps trying")]
    public static partial void HistoryUnread(ILogger logger, string problem);

    [LoggerMessage(341, LogLevel.Information, "The history can be read again")]
    public static partial void HistoryRead(ILogger logger);
}
