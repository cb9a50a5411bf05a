using Jobs.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Jobs.Beat;

/// <summary>Fires the occurrences of one schedule, while this beat leads.</summary>
/// <remarks>
/// Each schedule has a loop of its own. So a schedule that cannot be enqueued holds up no other, and the occurrences of
/// one schedule stay in order:
/// 1. Sleep until the next occurrence after the last one that is dealt with.
/// 2. Ask the misfire policy which occurrence is due.
/// 3. Enqueue the job of that occurrence. When the enqueue returns, the occurrence is dealt with, and is recorded.
/// Until then, steps 2 and 3 repeat; the same occurrence always makes the same id.
/// </remarks>
sealed class ScheduleLoop(
    Schedule schedule, IJobDispatcher dispatcher, OccurrenceLog occurrences, BeatOptions options, TimeProvider time, Telemetry telemetry, ILogger logger)
{
    // Somebody may set the clock while we sleep; timers do not notice.
    static readonly TimeSpan longestSleep = TimeSpan.FromMinutes(1);

    // When the clock is set back by up to this, the loop waits until the clock has passed the occurrences that have
    // fired. When the clock is set back by more, the loop logs that and goes on from the new time.
    static readonly TimeSpan setBack = TimeSpan.FromMinutes(1);

    // Well under the default misfire threshold, so that a short outage makes occurrences late but not missed.
    static readonly TimeSpan longestBackOff = TimeSpan.FromSeconds(15);

    int timesSetBack;
    DateTimeOffset? fired; // travels with every mark, because the mark of an occurrence without a job replaces others

    /// <param name="last">The last occurrence that is dealt with.</param>
    /// <param name="started">The time from which a schedule that has not fired yet has occurrences.</param>
    /// <param name="stop">Ends the loop between two occurrences.</param>
    /// <param name="giveUp">
    /// Ends the loop in the middle of an enqueue. That job may be in its queue or not, and another beat enqueues it
    /// again.
    /// </param>
    public async Task RunAsync(OccurrenceMark? last, DateTimeOffset started, CancellationToken stop, CancellationToken giveUp)
    {
        (timesSetBack, fired) = (last?.SetBack ?? 0, last?.Fired);
        var after = Begin(last, started);
        var failures = 0;
        while (!stop.IsCancellationRequested && schedule.Timing.Next(after) is { } next)
        {
            var now = time.GetUtcNow();
            if (after - now > setBack)
            {
                Log.ClockSetBack(logger, schedule.Name, after, now);
                timesSetBack++;
                Dealt(after = now);
                continue;
            }

            if (next > now)
            {
                await SleepAsync(next - now, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                continue;
            }

            var due = schedule.Due(after, now, options.MisfireThreshold, options.MisfireCap);
            if (due.Dropped > 0)
            {
                Log.OccurrencesDropped(logger, schedule.Name, due.Dropped, due.After, schedule.Misfire);
                Dealt(after = due.After);
            }

            if (due.Occurrence is not { } occurrence)
            {
                continue;
            }

            if (schedule.IsPaused || await TryFireAsync(occurrence, failures, giveUp).ConfigureAwait(false))
            {
                Dealt(after = occurrence);
                failures = 0;
            }
            else
            {
                await Task.Delay(BackOff(failures++, Random.Shared.NextDouble()), time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>
    /// Where the occurrences of the schedule begin. A schedule that is new, or whose timing was changed, begins when it
    /// was made. This beginning is recorded at once, so that the first occurrence is owed even when no beat runs at its
    /// time.
    /// </summary>
    DateTimeOffset Begin(OccurrenceMark? last, DateTimeOffset started)
    {
        if (last is { } mark && mark.TimingKey == schedule.Timing.Key)
        {
            return mark.Occurrence;
        }

        var since = schedule.Since ?? started;
        var now = time.GetUtcNow();
        since = since < now ? since : now;
        // One tick later: a mark of the same time would not replace the mark with the former timing.
        var begin = last is { } old && old.Occurrence >= since ? old.Occurrence.AddTicks(1) : since;
        Dealt(begin);
        return begin;
    }

    void Dealt(DateTimeOffset occurrence) => occurrences.Dealt(schedule.Name, new(occurrence, schedule.Timing.Key, timesSetBack, fired));

    Task SleepAsync(TimeSpan untilNext, CancellationToken stop)
    {
        // Timers count whole milliseconds. If we rounded down, the loop would spin through the last millisecond.
        var sleep = TimeSpan.FromMilliseconds(Math.Ceiling(untilNext.TotalMilliseconds));
        return Task.Delay(sleep < longestSleep ? sleep : longestSleep, time, stop);
    }

    /// <returns>Whether the occurrence is dealt with.</returns>
    async Task<bool> TryFireAsync(DateTimeOffset occurrence, int failures, CancellationToken giveUp)
    {
        var job = schedule.JobAt(occurrence);
        try
        {
            await dispatcher.EnqueueAsync(job, giveUp).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (giveUp.IsCancellationRequested)
        {
            throw;
        }
        catch (ArgumentException e)
        {
            // A later attempt would fail the same way. The next occurrence has a new chance, and must not wait for this
            // one.
            Log.OccurrenceRefused(logger, job.Id!, schedule.Name, e);
            return true;
        }
        catch (Exception e)
        {
            // Permanent failures are retried too: somebody may correct a wrong password while we run. The occurrence is
            // owed until its misfire policy says otherwise.
            if (failures == 0)
            {
                Log.OccurrenceNotEnqueued(logger, e is JobsException { IsTransient: true } ? LogLevel.Warning : LogLevel.Error, job.Id!, schedule.Name, e);
            }

            return false;
        }

        fired = occurrence;
        var late = time.GetUtcNow() - occurrence;
        telemetry.OccurrenceFired(schedule.Name, late);
        Log.OccurrenceFired(logger, job.Id!, late.TotalSeconds);
        if (failures > 0)
        {
            Log.ScheduleRecovered(logger, schedule.Name, job.Id!, failures);
        }

        return true;
    }

    // 1, 2, 4 … 15 s, less a random part of up to one half. So the schedules of many beats do not come back in one
    // wave.
    internal static TimeSpan BackOff(int failures, double random)
    {
        var longest = Math.Min(longestBackOff.TotalSeconds, Math.Pow(2, failures));
        return TimeSpan.FromSeconds(longest * (1 - random / 2));
    }
}
