using System.Text.Json;
using Jobs.Diagnostics;
using Jobs.Registry;
using Jobs.Transport;
using Microsoft.Extensions.Logging;

namespace Jobs.Beat;

/// <summary>
/// One term of leadership: runs a loop for each schedule, and listens for changes and requests made at run time.
/// </summary>
sealed class BeatTerm(
    JournalReader reader,
    BeatState state,
    OccurrenceLog occurrences,
    ScheduleBook book,
    Dictionary<string, StoredSchedule> ofProgram,
    TaskRegistry tasks,
    IJobDispatcher dispatcher,
    BeatOptions options,
    DateTimeOffset started,
    TimeProvider time,
    Telemetry telemetry,
    ILogger logger)
{
    // When this beat stops, jobs on their way to the broker get this time to arrive. A job that arrives is recorded,
    // and the next leader does not fire it again.
    static readonly TimeSpan grace = TimeSpan.FromSeconds(5);

    // The pause after a snapshot that could not be written, and after a loop that failed.
    static readonly TimeSpan pause = TimeSpan.FromMinutes(1);
    const int MostUnreadable = 100;
    const int Many = 64;

    readonly Dictionary<string, (CancellationTokenSource Stop, Task Task)> loops = new(StringComparer.Ordinal);
    readonly Dictionary<RunRequest, Task> runs = [];
    readonly List<ReadOnlyMemory<byte>> unreadable = []; // records that a newer version may have written: kept for that version
    readonly List<long> handles = []; // of all records in the journal
    int snapshotLength;
    long? compactionFailed;

    /// <summary>Runs until the term is lost or the host stops. Then it returns, and throws nothing.</summary>
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

        StartRuns(over.Token, giveUp.Token);
        Log.BeatLeads(logger, names.Count);
        try
        {
            await ReadAsync(over.Token, giveUp.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (reader.Lost.IsCancellationRequested || stopping.IsCancellationRequested)
        {
            // The filter asks the two source tokens, because "over" may fire a moment after them.
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
            if (ShouldCompact() && (compactionFailed is not { } failed || time.GetElapsedTime(failed) > pause))
            {
                await CompactAsync(over).ConfigureAwait(false);
            }

            var item = await reader.NextAsync(over).ConfigureAwait(false);
            if (item.AnswerAsync is { } answer)
            {
                _ = answer(BeatRecord.WriteAll([.. Snapshot(), new() { OfProgram = ofProgram }])); // in the background: an answer holds up no schedule
                continue;
            }

            foreach (var name in Merge(item))
            {
                Restart(name, over, giveUp);
            }

            StartRuns(over, giveUp);
        }
    }

    IReadOnlySet<string> Merge(JournalRecord record)
    {
        if (record.Handle != 0)
        {
            handles.Add(record.Handle);
        }

        try
        {
            return state.Merge(BeatRecord.Read(record.Bytes));
        }
        catch (JsonException e)
        {
            if (unreadable.Count < MostUnreadable && !unreadable.Any(known => known.Span.SequenceEqual(record.Bytes.Span)))
            {
                Log.RecordUnreadable(logger, e);
                unreadable.Add(record.Bytes);
            }

            return new HashSet<string>();
        }
    }

    // Twice the snapshot: a journal with many schedules is not written anew for each few of their occurrences.
    bool ShouldCompact() => handles.Count > Math.Max(Many, 2 * snapshotLength) || (handles.Count > 0 && reader.HoldsOldRecords);

    IReadOnlyList<BeatRecord> Snapshot() => state.Snapshot(Exists, time.GetUtcNow());

    async Task CompactAsync(CancellationToken over)
    {
        try
        {
            List<ReadOnlyMemory<byte>> snapshot = [.. Snapshot().Select(record => (ReadOnlyMemory<byte>)record.Write()), .. unreadable];
            await reader.RewriteAsync([.. handles], snapshot, over).ConfigureAwait(false);
            handles.Clear(); // those of the snapshot come like any others
            snapshotLength = snapshot.Count;
            compactionFailed = null;
        }
        catch (JobPublishException e)
        {
            // No record was removed, and a later snapshot can replace them all.
            if (compactionFailed is null)
            {
                Log.SnapshotFailed(logger, e);
            }

            compactionFailed = time.GetTimestamp();
        }
    }

    bool Exists(string name) => book.Find(name) is not null || state.SetAtRunTime(name) is { Value: not null };

    /// <summary>
    /// Begins, changes or ends the loop of a schedule. The new loop waits for the old one, which may be in the middle
    /// of an occurrence.
    /// </summary>
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
                // The schedule is gone, or cannot be used. Its mark says how far it has fired. We replace this mark by
                // one without a timing. Then a later schedule of this name begins anew, and owes no occurrence of the
                // time without a schedule. Only a later mark replaces a mark, so the new one is at least a tick later.
                var now = time.GetUtcNow();
                var last = state.Last(name);
                occurrences.Dealt(name, new(last?.Occurrence >= now ? last.Value.Occurrence.AddTicks(1) : now, "", last?.SetBack ?? 0, last?.Fired));
                return;
            }

            while (!stop.IsCancellationRequested)
            {
                try
                {
                    await new ScheduleLoop(schedule, dispatcher, occurrences, options, time, telemetry, logger)
                        .RunAsync(state.Last(name), started, stop.Token, giveUp).ConfigureAwait(false);
                    return;
                }
                catch (OperationCanceledException) when (giveUp.IsCancellationRequested)
                {
                    return;
                }
                catch (Exception e)
                {
                    Log.ScheduleFailed(logger, name, e);
                    await Task.Delay(pause, time, stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
            }
        }
    }

    void StartRuns(CancellationToken over, CancellationToken giveUp)
    {
        foreach (var run in state.RunsWaiting())
        {
            if (!runs.ContainsKey(run))
            {
                runs[run] = new RequestedRun(run, ReadSchedule, state, dispatcher, occurrences, time, logger).RunAsync(over, giveUp);
            }
        }

        foreach (var (run, _) in runs.Where(entry => entry.Value.IsCompletedSuccessfully).ToList())
        {
            runs.Remove(run);
        }
    }

    /// <summary>Finds a schedule. A schedule that was set at run time wins over one of the same name in code.</summary>
    /// <exception cref="ArgumentException">The schedule cannot be used here; see <see cref="StoredSchedule"/>.</exception>
    Schedule? ReadSchedule(string name)
    {
        var schedule = state.SetAtRunTime(name) switch
        {
            { Value: { } text } edit => text.ToSchedule(name, edit.Version, tasks),
            { } removed => book.Find(name) is { } coded ? coded with { Since = EditClock.Time(removed.Version) } : null,
            null => book.Find(name),
        };
        return schedule is null ? null : schedule with { IsPaused = state.IsPaused(name) };
    }

    Schedule? Find(string name)
    {
        try
        {
            return ReadSchedule(name);
        }
        catch (Exception e)
        {
            Log.ScheduleUnusable(logger, name, e);
            return null;
        }
    }

    async Task EndAsync(CancellationTokenSource giveUp)
    {
        var ended = Task.WhenAll([.. loops.Values.Select(loop => loop.Task), .. runs.Values]);
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
        await ((Task)occurrences.FlushAsync(deadline.Token)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
