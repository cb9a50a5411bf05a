using System.Collections.Concurrent;
using Jobs.Diagnostics;
using Jobs.Transport;
using Microsoft.Extensions.Logging;

namespace Jobs.Control;

/// <summary>
/// Carries out requests about dead letters, one after another, and looks from time to time whether the index still says
/// what is in the queue.
/// </summary>
/// <remarks>
/// Each sweep compares: letters that nobody told the keeper of (the broker's own, for example) go into the index, and
/// letters that are gone (purged by hand, for example) leave it.
/// </remarks>
sealed class Sweeper(JobTransport transport, JobJournal journal, KeeperState state, JobsOptions options, TimeProvider time, ILogger logger)
{
    static readonly TimeSpan betweenLooks = TimeSpan.FromSeconds(30);
    static readonly TimeSpan betweenVainSweeps = TimeSpan.FromMinutes(10);
    static readonly TimeSpan betweenReports = TimeSpan.FromSeconds(2);
    static readonly TimeSpan appendTimeout = TimeSpan.FromSeconds(30);
    static readonly TimeSpan afterFailure = TimeSpan.FromSeconds(5);

    // A letter and its record are written together, and may come in any order.
    static readonly TimeSpan underWay = TimeSpan.FromSeconds(30);

    readonly LetterSweep sweep = new(transport, options.DeadLetterQueue, time) { Most = options.LettersHeld };
    readonly SemaphoreSlim wanted = new(0, 1);
    long known; // by how many letters the queue is longer than the index, after a sweep: letters of one id count as one
    long differed; // by how many letters the last look found the index wrong
    long? swept;

    /// <summary>Removes records from the journal.</summary>
    public required Func<IReadOnlyList<long>, CancellationToken, ValueTask> ForgetAsync { get; init; }

    /// <summary>There may be a request.</summary>
    public void Wake()
    {
        if (wanted.CurrentCount == 0)
        {
            wanted.Release();
        }
    }

    /// <summary>Runs until the term is over. Never fails.</summary>
    public async Task RunAsync(CancellationToken over)
    {
        while (!over.IsCancellationRequested)
        {
            try
            {
                if (state.NextRequest() is { } next)
                {
                    await CarryOutAsync(next.Request, next.Version, over).ConfigureAwait(false);
                    continue;
                }

                if (await IndexIsWrongAsync(over).ConfigureAwait(false))
                {
                    await SweepAsync(new(null), over).ConfigureAwait(false);
                }

                await RemoveAsync(state.RemovingOldRequests(), over).ConfigureAwait(false);
                await WaitAsync(betweenLooks, over).ConfigureAwait(false);
            }
            catch (Exception) when (over.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                Log.LettersNotSwept(logger, options.DeadLetterQueue, e);
                await Task.Delay(afterFailure, time, over).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    async Task WaitAsync(TimeSpan longest, CancellationToken over)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(over);
        await Task.WhenAny(wanted.WaitAsync(end.Token), Task.Delay(longest, time, end.Token)).ConfigureAwait(false);
        await end.CancelAsync().ConfigureAwait(false);
    }

    async Task<bool> IndexIsWrongAsync(CancellationToken over)
    {
        if (swept is { } last && time.GetElapsedTime(last) < betweenVainSweeps)
        {
            return false;
        }

        // Twice in a row: the count of a broker is some seconds old, and a letter and its record come one by one.
        var difference = await transport.CountAsync(options.DeadLetterQueue, over).ConfigureAwait(false) - state.Letters - known;
        var isWrong = difference != 0 && difference == differed;
        differed = difference;
        return isWrong;
    }

    async Task CarryOutAsync(DeadLetterRequest request, long version, CancellationToken over)
    {
        var run = new Run(request);
        state.Progressed(run.Report());
        bool sawAll;
        do
        {
            run.Begin();
            sawAll = await SweepAsync(run, over).ConfigureAwait(false);
        }
        while (!sawAll && run.MovedAny); // the sweep took too long, and goes on behind what it has moved

        var done = run.Report() with { State = DeadLetterRequestState.Done };
        if (!sawAll)
        {
            done = done with { Problem = done.Problem ?? "Not all letters could be looked at: somebody else consumes the queue." };
        }

        var ended = Math.Max(version + 1, time.GetUtcNow().UtcTicks);
        await journal.AppendAsync(KeeperRecord.Write(KeeperEntry.Of(done, ended)), appendTimeout, over).ConfigureAwait(false);
        state.Progressed(done, ended); // with its version, or it would look like a request that ended long ago
        Log.LettersMoved(logger, done.Moved, done.Action == DeadLetterAction.Retry ? "sent back to their queues" : "deleted", done.Id, done.Kept);
    }

    async Task<bool> SweepAsync(Run run, CancellationToken over)
    {
        var began = time.GetUtcNow();
        HashSet<string> seen = new(StringComparer.Ordinal), staying = new(StringComparer.Ordinal);
        var stay = 0;
        ConcurrentQueue<DeadLetterInfo> moved = [];
        List<DeadLetterInfo> unknown = [];
        var pace = new Pace(run.Request?.PerSecond ?? 0, time);
        var reported = time.GetTimestamp();
        var sawAll = await sweep.RunAsync(TakeAsync, Moved, pace.NextAsync, state.Letters, over).ConfigureAwait(false);
        await ForgetMovedAsync().ConfigureAwait(false);
        await AddAsync(unknown, over).ConfigureAwait(false);
        if (sawAll)
        {
            await RemoveAsync(state.Removing(state.Missing(seen, began - underWay)), over).ConfigureAwait(false);
            (known, swept) = (stay - staying.Count, null);
        }
        else
        {
            swept = time.GetTimestamp();
        }

        return sawAll;

        async ValueTask<IReadOnlyList<Outgoing>?> TakeAsync(Delivery letter, DeadLetterInfo info, CancellationToken cancellationToken)
        {
            seen.Add(info.Id);
            if (!state.Knows(info.Id))
            {
                unknown.Add(info);
            }

            if (time.GetElapsedTime(reported) > betweenReports)
            {
                reported = time.GetTimestamp();
                await ForgetMovedAsync().ConfigureAwait(false);
                if (run.Request is not null)
                {
                    state.Progressed(run.Report());
                }
            }

            var outgoing = await run.DecideAsync(letter.Message, info, transport, cancellationToken).ConfigureAwait(false);
            if (outgoing is null)
            {
                stay++;
                staying.Add(info.Id);
            }

            return outgoing;
        }

        void Moved(DeadLetterInfo letter)
        {
            run.CountMoved();
            moved.Enqueue(letter);
        }

        async ValueTask ForgetMovedAsync()
        {
            Dictionary<string, DeadLetterInfo> gone = new(StringComparer.Ordinal); // of one id the latest death
            while (moved.TryDequeue(out var letter))
            {
                gone[letter.Id] = gone.TryGetValue(letter.Id, out var other) && other.At > letter.At ? other : letter;
            }

            unknown.RemoveAll(letter => gone.ContainsKey(letter.Id));
            await RemoveAsync(state.Removing(gone.Values), over).ConfigureAwait(false);
        }
    }

    async ValueTask AddAsync(List<DeadLetterInfo> letters, CancellationToken over)
    {
        foreach (var record in KeeperRecord.WriteAll(letters.Select(KeeperEntry.Of)))
        {
            await journal.AppendAsync(record, appendTimeout, over).ConfigureAwait(false);
        }
    }

    async ValueTask RemoveAsync((IReadOnlyList<long> Handles, IReadOnlyList<KeeperEntry> Removals) removing, CancellationToken over)
    {
        if (removing.Handles.Count > 0)
        {
            await ForgetAsync(removing.Handles, over).ConfigureAwait(false);
        }

        foreach (var record in KeeperRecord.WriteAll(removing.Removals))
        {
            await journal.AppendAsync(record, appendTimeout, over).ConfigureAwait(false);
        }
    }

    /// <summary>What a sweep does for a request; without a request it only looks.</summary>
    sealed class Run(DeadLetterRequest? request)
    {
        readonly DeadLetterQuery? query = request is null ? null : request.Query with { Ids = request.Query.Ids?.ToHashSet(StringComparer.Ordinal) };
        readonly Dictionary<string, bool> queues = new(StringComparer.Ordinal);
        int moved = request?.Moved ?? 0;
        int kept;
        string? problem;

        public DeadLetterRequest? Request => request;

        public bool MovedAny { get; private set; }

        public void Begin() => (MovedAny, kept, problem) = (false, 0, null);

        public DeadLetterRequest Report() => request! with
        {
            State = DeadLetterRequestState.Running,
            Moved = Volatile.Read(ref moved),
            Kept = kept,
            Problem = problem,
        };

        public void CountMoved()
        {
            MovedAny = true;
            Interlocked.Increment(ref moved);
        }

        public async ValueTask<IReadOnlyList<Outgoing>?> DecideAsync(
            Wire.JobMessage message, DeadLetterInfo info, JobTransport transport, CancellationToken cancellationToken)
        {
            if (request is null || !query!.Selects(info) || Letters.IsOf(message, request))
            {
                return null;
            }

            if (request.Action == DeadLetterAction.Delete)
            {
                return [];
            }

            if (info.Queue is not { } queue)
            {
                return Keep($"Nobody knows the queue of job {info.Id}.");
            }

            if (!queues.TryGetValue(queue, out var exists))
            {
                queues[queue] = exists = await transport.HasQueueAsync(queue, cancellationToken).ConfigureAwait(false);
            }

            if (!exists)
            {
                return Keep($"The queue '{queue}' of job {info.Id} is gone.");
            }

            try
            {
                return [new(queue, Letters.Retry(message, request, Random.Shared.Next()))];
            }
            catch (Exception e) when (e is JobFormatException or System.Text.Json.JsonException or InvalidOperationException or ArgumentOutOfRangeException)
            {
                return Keep($"The body of job {info.Id} cannot be read, so its arguments cannot be changed.");
            }

            IReadOnlyList<Outgoing>? Keep(string why)
            {
                kept++;
                problem ??= why;
                return null;
            }
        }
    }

    /// <summary>So many a second; no limit for 0.</summary>
    sealed class Pace(double perSecond, TimeProvider time)
    {
        readonly long began = time.GetTimestamp();
        long count;

        public Task NextAsync(CancellationToken cancellationToken)
        {
            var due = perSecond <= 0 ? TimeSpan.Zero : TimeSpan.FromSeconds(count++ / perSecond) - time.GetElapsedTime(began);
            return due > TimeSpan.Zero ? Task.Delay(due, time, cancellationToken) : Task.CompletedTask;
        }
    }
}
