using Jobs.Diagnostics;
using Jobs.Transport;
using Microsoft.Extensions.Logging;

namespace Jobs.Beat;

/// <summary>Writes into the journal up to where occurrences are dealt with: after their jobs are enqueued, never before, many in one record.</summary>
/// <remarks>
/// A beat that dies between a job's confirm and this record leaves an occurrence that the next leader fires again, with the same id. The other way round it would be lost;
/// and a single publish to both places is not one step either: when the broker's node dies, one queue may have it and the other not.
/// </remarks>
sealed class OccurrenceLog(JobJournal journal, BeatState state, TimeProvider time, ILogger logger)
{
    static readonly TimeSpan timeout = TimeSpan.FromSeconds(30);
    static readonly TimeSpan pause = TimeSpan.FromSeconds(1);

    readonly Lock gate = new();
    readonly SemaphoreSlim any = new(0, 1);
    readonly SemaphoreSlim writing = new(1); // a flush that returns has written what was dealt with before it began
    Dictionary<string, OccurrenceMark> waiting = new(StringComparer.Ordinal);

    /// <summary>Never waits.</summary>
    public void Dealt(string schedule, OccurrenceMark mark)
    {
        state.Merge(new() { Occurrences = new() { [schedule] = mark } });
        lock (gate)
        {
            waiting[schedule] = mark;
            if (any.CurrentCount == 0)
            {
                any.Release();
            }
        }
    }

    /// <summary>Writes until it is stopped; outlives terms, because what was fired in one that ended is worth knowing too.</summary>
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

    /// <returns>Why it could not be written, or <see langword="null"/> when nothing is left to write.</returns>
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
        lock (gate)
        {
            (marks, waiting) = (waiting, new(StringComparer.Ordinal));
        }

        if (marks.Count == 0)
        {
            return null;
        }

        try
        {
            await journal.AppendAsync(new BeatRecord { Occurrences = marks }.Write(), timeout, cancellationToken).ConfigureAwait(false);
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
                    waiting.TryAdd(schedule, mark); // what came meanwhile is later
                }
            }
        }
    }
}
