using System.Text.Json;
using Jobs.Diagnostics;
using Jobs.Registry;
using Jobs.Transport;
using Microsoft.Extensions.Logging;

namespace Jobs.Beat;

/// <summary>One term of leadership: a loop for each schedule, and an ear for what is changed at run time.</summary>
sealed class BeatTerm(
    JournalReader reader,
    BeatState state,
    SlotLog slots,
    ScheduleBook book,
    TaskRegistry tasks,
    IJobDispatcher dispatcher,
    BeatOptions options,
    DateTimeOffset started,
    TimeProvider time,
    Telemetry telemetry,
    ILogger logger)
{
    // What jobs on their way to the broker get to arrive when this beat stops: what arrives is recorded, and not fired again by the next leader.
    static readonly TimeSpan grace = TimeSpan.FromSeconds(5);

    readonly Dictionary<string, (CancellationTokenSource Stop, Task Task)> loops = new(StringComparer.Ordinal);

    /// <summary>Returns when the term is lost or the host stops; throws nothing for either.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        foreach (var record in reader.Backlog)
        {
            Merge(record);
        }

        using var over = CancellationTokenSource.CreateLinkedTokenSource(reader.Lost, stopping);
        using var giveUp = CancellationTokenSource.CreateLinkedTokenSource(reader.Lost);
        var names = book.Schedules.Select(schedule => schedule.Name).Union(state.NamesSetAtRunTime(), StringComparer.Ordinal).ToList();
        foreach (var name in names)
        {
            Restart(name, over.Token, giveUp.Token);
        }

        Log.BeatLeads(logger, names.Count);
        try
        {
            await ReadAsync(over.Token, giveUp.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested)
        {
        }
        finally
        {
            await over.CancelAsync().ConfigureAwait(false);
            await EndAsync(giveUp).ConfigureAwait(false);
        }
    }

    async Task ReadAsync(CancellationToken over, CancellationToken giveUp)
    {
        while (true)
        {
            if (reader.ShouldCompact)
            {
                await CompactAsync(over).ConfigureAwait(false);
            }

            foreach (var name in Merge(await reader.NextAsync(over).ConfigureAwait(false)))
            {
                Restart(name, over, giveUp);
            }
        }
    }

    IReadOnlySet<string> Merge(ReadOnlyMemory<byte> record)
    {
        try
        {
            return state.Merge(BeatRecord.Read(record));
        }
        catch (JsonException e)
        {
            Log.RecordUnreadable(logger, e);
            return new HashSet<string>();
        }
    }

    async Task CompactAsync(CancellationToken over)
    {
        try
        {
            await reader.CompactAsync(state.Snapshot(Exists, time.GetUtcNow()).Write(), over).ConfigureAwait(false);
        }
        catch (JobPublishException)
        {
            // The records stay as they are; the next one is the next occasion.
        }
    }

    bool Exists(string name) => book.Find(name) is not null || state.SetAtRunTime(name) is not null;

    /// <summary>Begins, changes or ends the loop of a schedule. The new one waits for the old, which may be in the middle of a slot.</summary>
    void Restart(string name, CancellationToken over, CancellationToken giveUp)
    {
        var before = Task.CompletedTask;
        if (loops.Remove(name, out var running))
        {
            before = running.Task;
            running.Stop.Cancel();
        }

        var stop = CancellationTokenSource.CreateLinkedTokenSource(over);
        loops[name] = (stop, RunAsync());

        async Task RunAsync()
        {
            await before.ConfigureAwait(false);
            running.Stop?.Dispose();
            if (Find(name) is not { } schedule)
            {
                return;
            }

            try
            {
                await new ScheduleLoop(schedule, dispatcher, slots, options, time, telemetry, logger).RunAsync(state.Last(name), started, stop.Token, giveUp).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (giveUp.IsCancellationRequested)
            {
            }
        }
    }

    /// <summary>What was set at run time goes before what code says.</summary>
    Schedule? Find(string name)
    {
        try
        {
            var schedule = state.SetAtRunTime(name) is { Value: { } text } edit ? text.ToSchedule(name, edit.Version, tasks) : book.Find(name);
            return schedule is null ? null : schedule with { IsPaused = state.IsPaused(name) };
        }
        catch (ArgumentException e)
        {
            Log.ScheduleUnusable(logger, name, e);
            return null;
        }
    }

    async Task EndAsync(CancellationTokenSource giveUp)
    {
        var ended = Task.WhenAll(loops.Values.Select(loop => loop.Task));
        if (!giveUp.IsCancellationRequested)
        {
            await ended.WaitAsync(grace, time, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await giveUp.CancelAsync().ConfigureAwait(false);
        }

        await ended.ConfigureAwait(false);
        foreach (var (stop, _) in loops.Values)
        {
            stop.Dispose();
        }

        using var deadline = new CancellationTokenSource(grace, time);
        await ((Task)slots.TryFlushAsync(deadline.Token)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
