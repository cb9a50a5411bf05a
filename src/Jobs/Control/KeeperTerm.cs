using System.Text.Json;
using Jobs.Diagnostics;
using Jobs.Transport;
using Microsoft.Extensions.Logging;

namespace Jobs.Control;

/// <summary>One term of the keeper: reads the journal, answers questions, and keeps the journal short.</summary>
sealed class KeeperTerm(JobTransport transport, JobJournal journal, JournalReader reader, JobsOptions options, TimeProvider time, ILogger logger)
{
    // A state of this size is written anew when its records are old. A larger one is taken anew by another term.
    const long Small = 256 * 1024;
    static readonly TimeSpan pause = TimeSpan.FromMinutes(1);

    readonly KeeperState state = new(time);
    long? rewriteFailed;
    bool saidUnreadable;

    /// <summary>Runs until the term is lost or the host stops. Then it returns, and throws nothing.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        foreach (var record in reader.Backlog)
        {
            Take(record);
        }

        state.CaughtUp();
        using var over = CancellationTokenSource.CreateLinkedTokenSource(reader.Lost, stopping);
        var sweeper = new Sweeper(transport, journal, state, options, time, logger) { ForgetAsync = ForgetAsync };
        var sweeping = sweeper.RunAsync(over.Token);
        Log.KeeperLeads(logger, state.Letters);
        try
        {
            await ReadAsync(sweeper, over.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (reader.Lost.IsCancellationRequested || stopping.IsCancellationRequested)
        {
            // The filter asks the two source tokens, because "over" may fire a moment after them.
        }
        finally
        {
            await over.CancelAsync().ConfigureAwait(false);
            await sweeping.ConfigureAwait(false);
        }
    }

    async Task ReadAsync(Sweeper sweeper, CancellationToken over)
    {
        while (true)
        {
            while (state.Spent() is { Count: > 0 } spent)
            {
                await ForgetAsync(spent, over).ConfigureAwait(false); // which may spend others: those of removals
            }

            var isOld = reader.HoldsOldRecords;
            if (isOld && state.LivingBytes > Small)
            {
                return;
            }

            if (rewriteFailed is not { } failed || time.GetElapsedTime(failed) > pause)
            {
                await RewriteAsync(isOld, over).ConfigureAwait(false);
            }

            var item = await reader.NextAsync(over).ConfigureAwait(false);
            if (item.AnswerAsync is { } answer)
            {
                _ = answer(state.Answer(item.Bytes).Write()); // in the background: an answer holds up no record
            }
            else if (item.Handle != 0)
            {
                Take(item);
                if (state.NextRequest() is not null)
                {
                    sweeper.Wake(); // not for each dead letter: the sweeper would ask the broker for a count each time
                }
            }
        }
    }

    void Take(JournalRecord record)
    {
        try
        {
            state.Read(record);
        }
        catch (JsonException e)
        {
            if (!saidUnreadable)
            {
                saidUnreadable = true;
                Log.KeeperRecordUnreadable(logger, e);
            }
        }
    }

    async ValueTask ForgetAsync(IReadOnlyCollection<long> handles, CancellationToken over)
    {
        await reader.ForgetAsync(handles, over).ConfigureAwait(false);
        state.Forgotten(handles);
    }

    async Task RewriteAsync(bool all, CancellationToken over)
    {
        var (handles, records) = state.Stale(all);
        if (handles.Count == 0)
        {
            return;
        }

        try
        {
            await reader.RewriteAsync(handles, records, over).ConfigureAwait(false);
            state.Forgotten(handles);
            rewriteFailed = null;
        }
        catch (JobPublishException e)
        {
            if (rewriteFailed is null)
            {
                Log.KeeperNotRewritten(logger, e);
            }

            rewriteFailed = time.GetTimestamp();
        }
    }
}
