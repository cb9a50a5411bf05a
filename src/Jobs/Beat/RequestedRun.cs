using Jobs.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Jobs.Beat;

/// <summary>Runs the job of a schedule because somebody asked for it, while this beat leads.</summary>
/// <remarks>
/// 1. The request is a record of the journal, so that it waits for a beat and outlives each.
/// 2. The leader enqueues the job. Its id is made of the request, so a beat that does this again makes the same job.
/// 3. When the enqueue returns, the request is dealt with, and this is recorded. Until then step 2 repeats.
/// </remarks>
sealed class RequestedRun(
    RunRequest request,
    Func<string, Schedule?> find,
    BeatState state,
    IJobDispatcher dispatcher,
    OccurrenceLog log,
    TimeProvider time,
    ILogger logger)
{
    readonly string id = Schedule.IdOf(request);

    /// <summary>
    /// A request that is older than this is dropped: who asked to run a job "now" does not expect it days later.
    /// </summary>
    public static TimeSpan LongestWait { get; } = TimeSpan.FromDays(1);

    /// <summary>Runs until the request is dealt with or a token fires. Then it returns, and throws nothing.</summary>
    /// <param name="stop">Ends the run between two attempts.</param>
    /// <param name="giveUp">
    /// Ends the run in the middle of an enqueue. That job may be in its queue or not, and another beat enqueues it
    /// again.
    /// </param>
    public async Task RunAsync(CancellationToken stop, CancellationToken giveUp)
    {
        await Task.Yield(); // whoever starts this reads the journal, and must not wait for an enqueue
        for (var failures = 0; !stop.IsCancellationRequested && !await TryAsync(failures, giveUp).ConfigureAwait(false); failures++)
        {
            await Task.Delay(ScheduleLoop.BackOff(failures, Random.Shared.NextDouble()), time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <returns>Whether there is nothing more to do.</returns>
    async Task<bool> TryAsync(int failures, CancellationToken giveUp)
    {
        try
        {
            var age = time.GetUtcNow() - EditClock.Time(request.Version);
            if (age > LongestWait)
            {
                Log.RunDropped(logger, id, request.Schedule, age);
            }
            else if (find(request.Schedule) is { } schedule)
            {
                await EnqueueAsync(schedule, giveUp).ConfigureAwait(false);
            }
            else if (state.SetAtRunTime(request.Schedule) is { Value: null } removed && removed.Version > request.Version)
            {
                Log.RunDropped(logger, id, request.Schedule, age);
            }
            else
            {
                // Another beat may know the schedule: during a deploy, for example.
                if (failures == 0)
                {
                    Log.RunWaits(logger, id, request.Schedule, LongestWait);
                }

                return false;
            }

            log.Dealt(request);
            return true;
        }
        catch (OperationCanceledException) when (giveUp.IsCancellationRequested)
        {
            return true;
        }
        catch (Exception e)
        {
            if (failures == 0)
            {
                Log.RunNotEnqueued(logger, e is JobsException { IsTransient: true } ? LogLevel.Warning : LogLevel.Error, id, request.Schedule, LongestWait, e);
            }

            return false;
        }
    }

    async Task EnqueueAsync(Schedule schedule, CancellationToken giveUp)
    {
        try
        {
            await dispatcher.EnqueueAsync(schedule.JobOf(request) with { IsWatched = true }, giveUp).ConfigureAwait(false);
            Log.RunEnqueued(logger, id, request.Schedule);
        }
        catch (ArgumentException e)
        {
            // A later attempt would fail the same way.
            Log.OccurrenceRefused(logger, id, request.Schedule, e);
        }
    }
}
