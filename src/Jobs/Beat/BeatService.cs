using Jobs.Diagnostics;
using Jobs.Registry;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs.Beat;

/// <summary>Turns the slots of all schedules into jobs.</summary>
/// <remarks>
/// Each schedule has a loop of its own, so that one that cannot be enqueued holds up no other, and its slots stay in order:
/// 1. Sleep until the next slot after the last one dealt with.
/// 2. Ask the misfire policy which slot is due.
/// 3. Enqueue its job. Only when that returned is the slot dealt with; until then 2 and 3 repeat, with the same id for the same slot.
/// </remarks>
sealed class BeatService(
    TaskRegistry registry,
    IEnumerable<Schedule> schedules,
    IJobDispatcher dispatcher,
    IOptions<BeatOptions> options,
    TimeProvider time,
    Telemetry telemetry,
    ILogger<BeatService> logger) : BackgroundService
{
    // The clock may be set while we sleep; timers do not notice.
    static readonly TimeSpan LongestSleep = TimeSpan.FromMinutes(1);

    // Well under the default misfire threshold, so that a short outage makes slots late but not missed.
    static readonly TimeSpan LongestBackOff = TimeSpan.FromSeconds(15);

    DateTimeOffset started;

    public override Task StartAsync(CancellationToken cancellationToken)
    {
        // Here, because ExecuteAsync begins at some later time on another thread.
        started = time.GetUtcNow();
        return base.StartAsync(cancellationToken);
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var book = ScheduleBook.Create(registry, schedules, options.Value, out var problems);
        if (problems.Count > 0)
        {
            throw new InvalidOperationException($"The schedules are not valid:{Environment.NewLine}{string.Join(Environment.NewLine, problems)}");
        }

        Log.BeatStarted(logger, book.Schedules.Count());
        return Task.WhenAll(book.Schedules.Select(schedule => RunAsync(schedule, started, stoppingToken)));
    }

    async Task RunAsync(Schedule schedule, DateTimeOffset after, CancellationToken stopping)
    {
        var failures = 0;
        while (schedule.Slots.Next(after) is { } next)
        {
            var now = time.GetUtcNow();
            if (next > now)
            {
                await SleepAsync(next - now, stopping);
                continue;
            }

            var due = schedule.Due(after, now, options.Value.MisfireThreshold, options.Value.MisfireCap);
            after = due.After;
            if (due.Dropped > 0)
            {
                Log.SlotsDropped(logger, schedule.Name, due.Dropped, due.After, schedule.Misfire);
            }

            if (due.Slot is not { } slot)
            {
                continue;
            }

            if (await TryFireAsync(schedule, slot, failures, stopping))
            {
                after = slot;
                failures = 0;
            }
            else
            {
                await Task.Delay(BackOff(failures++), time, stopping);
            }
        }
    }

    Task SleepAsync(TimeSpan untilNext, CancellationToken stopping)
    {
        // Timers count whole milliseconds; rounded down, the last one would be spent spinning.
        var sleep = TimeSpan.FromMilliseconds(Math.Ceiling(untilNext.TotalMilliseconds));
        return Task.Delay(sleep < LongestSleep ? sleep : LongestSleep, time, stopping);
    }

    /// <returns>Whether the slot is dealt with.</returns>
    async Task<bool> TryFireAsync(Schedule schedule, DateTimeOffset slot, int failures, CancellationToken stopping)
    {
        var job = schedule.JobAt(slot);
        try
        {
            await dispatcher.EnqueueAsync(job, stopping);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            throw;
        }
        catch (ArgumentException e)
        {
            // No later attempt can be different: the next slot has a new chance, but must not wait for this one.
            Log.SlotRefused(logger, job.Id!, schedule.Name, e);
            return true;
        }
        catch (Exception e)
        {
            // Permanent failures too: a wrong password is put right while we run, and the slot is owed until its misfire policy says otherwise.
            if (failures == 0)
            {
                Log.SlotNotEnqueued(logger, e is JobsException { IsTransient: true } ? LogLevel.Warning : LogLevel.Error, job.Id!, schedule.Name, e);
            }

            return false;
        }

        telemetry.SlotFired(schedule.Name, time.GetUtcNow() - slot);
        Log.SlotFired(logger, job.Id!, (time.GetUtcNow() - slot).TotalSeconds);
        if (failures > 0)
        {
            Log.ScheduleRecovered(logger, schedule.Name, job.Id!, failures);
        }

        return true;
    }

    // 1, 2, 4 … 15 s, of which a random half is taken off: the schedules of many beats do not come back in one wave.
    static TimeSpan BackOff(int failures)
    {
        var longest = Math.Min(LongestBackOff.TotalSeconds, Math.Pow(2, failures));
        return TimeSpan.FromSeconds(longest * (1 - Random.Shared.NextDouble() / 2));
    }
}
