using Jobs.Diagnostics;
using Jobs.Transport;
using Microsoft.Extensions.Logging;

namespace Jobs.Beat;

/// <summary>
/// Records in the journal which occurrences, and which requests to run a job now, are dealt with: after their jobs are
/// enqueued, never before, and many in one record.
/// </summary>
/// <remarks>
/// A beat may die between a job's confirm and this record. Then the next leader fires the occurrence again, with the
/// same id. In the other order, the occurrence would be lost. A single publish to both places is not one step either:
/// when the broker's node dies, one queue may have the message and the other not.
/// </remarks>
sealed class OccurrenceLog(JobJournal journal, BeatState state, TimeProvider time, ILogger logger)
{
    static readonly TimeSpan timeout = TimeSpan.FromSeconds(30);
    static readonly TimeSpan pause = TimeSpan.FromSeconds(1);

    readonly Lock gate = new();
    readonly SemaphoreSlim any = new(0, 1);
    readonly SemaphoreSlim writing = new(1); // so when a flush returns, all marks from before it began are written
    Dictionary<string, OccurrenceMark> waiting = new(StringComparer.Ordinal);
    List<RunRequest> runsWaiting = [];

    /// <summary>Notes that an occurrence is dealt with. Never waits.</summary>
    public void Dealt(string schedule, OccurrenceMark mark)
    {
        state.Merge(new() { Occurrences = new() { [schedule] = mark } });
        lock (gate)
        {
            waiting[schedule] = mark;
            Wake();
        }
    }

    /// <summary>Notes that a request to run a job now is dealt with. Never waits.</summary>
    public void Dealt(RunRequest run)
    {
        var done = run with { IsDone = true };
        state.Merge(new() { Runs = [done] });
        lock (gate)
        {
            runsWaiting.Add(done);
            Wake();
        }
    }

    void Wake()
    {
        if (any.CurrentCount == 0)
        {
            any.Release();
        }
    }

    /// <summary>
    /// Writes marks until the host stops. This outlives terms: occurrences that were fired in a term that ended must be
    /// recorded too.
    /// </summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        var failed = false;
        while (true)
        {
            await any.WaitAsync(stopping).ConfigureAwait(false);
            while (await FlushAsync(stopping).ConfigureAwait(false) is { } e)
            {
                if (!failed)
                {
                    Log.OccurrencesNotRecorded(logger, e);
                }

                failed = true;
                await Task.Delay(pause, time, stopping).ConfigureAwait(false);
            }

            failed = false;
        }
    }

    /// <returns>Why the marks could not be written; <see langword="null"/> when no mark is left to write.</returns>
    public async Task<Exception?> FlushAsync(CancellationToken cancellationToken)
    {
        await writing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await WriteAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            writing.Release();
        }
    }

    async Task<Exception?> WriteAsync(CancellationToken cancellationToken)
    {
        Dictionary<string, OccurrenceMark> marks;
        List<RunRequest> runs;
        lock (gate)
        {
            (marks, waiting) = (waiting, new(StringComparer.Ordinal));
            (runs, runsWaiting) = (runsWaiting, []);
        }

        if (marks.Count == 0 && runs.Count == 0)
        {
            return null;
        }

        try
        {
            var record = new BeatRecord { Occurrences = marks.Count == 0 ? null : marks, Runs = runs.Count == 0 ? null : runs };
            await journal.AppendAsync(record.Write(), timeout, cancellationToken).ConfigureAwait(false);
            return null;
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            GiveBack();
            return e;
        }
        catch
        {
            GiveBack();
            throw;
        }

        void GiveBack()
        {
            lock (gate)
            {
                foreach (var (schedule, mark) in marks)
                {
                    waiting.TryAdd(schedule, mark); // a mark that came meanwhile is later, and stays
                }

                runsWaiting.AddRange(runs);
            }
        }
    }
}
