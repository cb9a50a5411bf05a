using Jobs.Control;
using Jobs.Diagnostics;
using Jobs.Events;
using Jobs.Registry;
using Jobs.Transport;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs.Inspection;

/// <summary>Answers from the index of the history, and beyond it from the log.</summary>
sealed class Inspector : JobInspector, IAsyncDisposable, IDisposable
{
    // How long the questions wait that have no time-out of their own.
    static readonly TimeSpan patience = TimeSpan.FromSeconds(5);

    const int MostLetters = 10_000;
    const int MostDelayed = 10_000;

    // Jobs are listed by the index in the order of its reader, and by the log in the order of time.
    static readonly long overlap = TimeSpan.FromSeconds(5).Ticks;

    static readonly string unsearched = $"only the last {JobHistory.MostJobs:N0} jobs were searched, because the id holds no time";

    readonly JobTransport transport;
    readonly TimeProvider time;
    readonly Lazy<JobLog> log;
    readonly Lazy<JobHistory> history;
    readonly Lazy<WorkerListening> workers;
    readonly Lazy<QueueLook> queues;
    readonly KeeperClient? keeper;
    readonly JobSchedules? schedules;
    readonly Lazy<SensitiveRule> rule;

    /// <param name="transport">Has the history.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">For changes of state.</param>
    /// <param name="keeper">Has the index of dead letters.</param>
    /// <param name="schedules">Has the schedules.</param>
    /// <param name="tasks">The tasks of this program, which name queues.</param>
    /// <param name="options">So do these options.</param>
    /// <param name="clock">Numbers the events of this process.</param>
    /// <param name="mostJobs">How many jobs are kept in memory.</param>
    public Inspector(
        JobTransport transport, TimeProvider time, ILogger<Inspector> logger, KeeperClient? keeper = null, JobSchedules? schedules = null,
        TaskRegistry? tasks = null, IOptions<JobsOptions>? options = null, LamportClock? clock = null, int mostJobs = JobHistory.MostJobs)
    {
        (this.transport, this.time, this.keeper, this.schedules) = (transport, GuardedTime.Of(time), keeper, schedules);
        rule = new(() => new((options?.Value ?? new()).SensitiveNames));
        log = new(() => transport.History);
        history = new(() => new(log.Value, this.time, GuardedLogger.Of(logger), mostJobs));
        workers = new(() => new(transport.Broadcast, History, clock ?? new(), this.time));
        queues = new(() => new(transport, History, keeper, tasks ?? new([]), options ?? Options.Create(new JobsOptions()), this.time));
    }

    public override InspectionCapabilities Capabilities => transport.Inspection.Capabilities;

    /// <summary>The index, for whoever hears of events another way.</summary>
    public JobHistory History => history.Value;

    public override async Task<JobInfo> GetJobAsync(string id, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(id);
        using var limit = new CancellationTokenSource(patience, time);
        using var until = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        await History.ReadyAsync(patience, cancellationToken).ConfigureAwait(false);
        var key = JobKey.Of(id);
        var known = History.Jobs.Find(key);
        var searchedBackTo = JobAnswer.Time(History.Jobs.OldestAt);
        var problem = known is null && key.Time is null ? unsearched : null;
        if (known?.Task is null && key.Time is { } made && (searchedBackTo is null || made < searchedBackTo))
        {
            var deep = new DeepSearch(log.Value, History, time);
            var found = await Task.Run(() => deep.FindAsync(key, made.UtcTicks, until.Token), CancellationToken.None).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            searchedBackTo = JobAnswer.Time(Math.Max(1, deep.BackTo));
            known = found is null ? known : found with { Children = known?.Children ?? [], Chain = known?.Chain ?? [] };
            problem = deep.Problem;
        }

        var answer = JobAnswer.With(known ?? new() { Id = id, EnqueuedAt = key.Time }, await StatusAsync(id, until.Token).ConfigureAwait(false), rule.Value);
        cancellationToken.ThrowIfCancellationRequested();
        return answer with { SearchedBackTo = searchedBackTo, Problem = History.Problem ?? problem };
    }

    // Where results are kept for every process, jobs that succeed are known there although events only count them.
    async ValueTask<JobStatus?> StatusAsync(string id, CancellationToken until)
    {
        try
        {
            return transport.Capabilities.HasFlag(TransportCapabilities.ResultsById)
                ? await transport.Results.ReadAsync(id, until).ConfigureAwait(false)
                : null;
        }
        catch (Exception e) when (e is JobTransportException || (e is OperationCanceledException && until.IsCancellationRequested))
        {
            return null; // the history's problem says more
        }
    }

    public override async Task<JobPage> SearchAsync(JobQuery query, CancellationToken cancellationToken = default)
    {
        var filter = JobFilter.Of(query);
        var cursor = JobCursor.Of(query.Cursor);
        using var limit = new CancellationTokenSource(query.Timeout, time); // counts while the index is read for the first time too
        using var until = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        await History.ReadyAsync(query.Timeout, cancellationToken).ConfigureAwait(false);
        var found = History.Jobs.Search(filter, cursor, query.PageSize);
        if (found.Count == query.PageSize)
        {
            return Page(found, found[^1].Cursor, found[^1].FirstAt);
        }

        var oldest = History.Jobs.OldestAt;
        if (filter.Single is { } key && (found.Count > 0 || key.Time?.UtcTicks < oldest))
        {
            if (found.Count == 0)
            {
                var finder = new DeepSearch(log.Value, History, time);
                await Task.Run(() => finder.FindAsync(key, key.Time!.Value.UtcTicks, until.Token, filter), CancellationToken.None).ConfigureAwait(false);
                cancellationToken.ThrowIfCancellationRequested();
                return Page([.. finder.Found], null, Math.Max(1, finder.BackTo), finder.Problem);
            }

            return Page(found, null, oldest);
        }

        if (oldest > filter.From && oldest > 0 && await HasOlderAsync(until.Token).ConfigureAwait(false))
        {
            var before = cursor is { } place && place.At <= oldest ? place : new(Math.Min(oldest + overlap, Math.Min(filter.To, long.MaxValue - 1) + 1), "");
            var deep = new DeepSearch(log.Value, History, time);
            // On the pool: a log that is a file is read without a wait, for as long as the query allows.
            await Task.Run(() => deep.SearchAsync(filter, before, query.PageSize - found.Count, until.Token), CancellationToken.None).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            found.AddRange(deep.Found);
            var backTo = Math.Min(deep.BackTo, oldest);
            return found.Count == query.PageSize
                ? Page(found, found[^1].Cursor, found[^1].FirstAt)
                : Page(found, deep.IsComplete ? null : new(backTo, "", deep.NextWindow), backTo, deep.Problem);
        }

        return Page(found, null, oldest);
    }

    public override async Task<FailurePage> FailuresAsync(JobQuery query, CancellationToken cancellationToken = default)
    {
        var filter = JobFilter.Of(query);
        await History.ReadyAsync(query.Timeout, cancellationToken).ConfigureAwait(false);
        return new()
        {
            Groups = History.Jobs.Failures(filter),
            SearchedBackTo = JobAnswer.Time(History.Jobs.OldestAt),
            Problem = History.Problem,
        };
    }

    public override async Task<ThroughputInfo> ThroughputAsync(CancellationToken cancellationToken = default)
    {
        await History.ReadyAsync(patience, cancellationToken).ConfigureAwait(false);
        return History.Throughput.Read(time.GetUtcNow().UtcTicks) with { KnownFrom = JobAnswer.Time(History.KnownFrom), Problem = History.Problem };
    }

    public override async Task<IReadOnlyList<WorkerInfo>> WorkersAsync(CancellationToken cancellationToken = default)
    {
        await HeardAsync(cancellationToken).ConfigureAwait(false);
        return History.Workers.List(time.GetUtcNow().UtcTicks);
    }

    public override async Task<IReadOnlyList<RunningJobInfo>> RunningAsync(CancellationToken cancellationToken = default) =>
        [.. (await WorkersAsync(cancellationToken).ConfigureAwait(false)).Where(worker => worker.IsAlive)
            .SelectMany(worker => worker.Running).OrderBy(job => job.StartedAt)];

    public override async Task<QueuePage> QueuesAsync(CancellationToken cancellationToken = default)
    {
        await HeardAsync(cancellationToken).ConfigureAwait(false);
        return await WithinPatienceAsync(queues.Value.LookAsync, cancellationToken).ConfigureAwait(false);
    }

    // Both at once: each takes seconds when somebody asks for the first time.
    async Task HeardAsync(CancellationToken cancellationToken)
    {
        var listening = workers.Value.AskedAsync(cancellationToken).AsTask();
        await Task.WhenAll(listening, History.ReadyAsync(patience, cancellationToken).AsTask()).ConfigureAwait(false);
    }

    public override Task<DelayedPage> DelayedAsync(int limit = 50, string? after = null, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(limit, MostDelayed);
        return WithinPatienceAsync(until => transport.Inspection.DelayedAsync(limit, after, until), cancellationToken);
    }

    public override async Task<TransportInfo> TransportAsync(CancellationToken cancellationToken = default)
    {
        try
        {
            return await WithinPatienceAsync(transport.Inspection.LookAsync, cancellationToken).ConfigureAwait(false);
        }
        catch (JobTransportException e)
        {
            return new() { Kind = transport.MessagingSystem, Problem = Why(e) };
        }
    }

    public override Task<IReadOnlyList<ScheduleInfo>> SchedulesAsync(CancellationToken cancellationToken = default) =>
        schedules?.ListAsync(cancellationToken) ?? throw new NotSupportedException("This inspector has no schedules.");

    public override IDisposable Watch() => workers.Value.Watch();

    /// <summary>Why a look at the transport failed, as a part of a sentence.</summary>
    public static string Why(Exception e) => e is JobTransportException ? e.Message.TrimEnd('.') : "the transport did not answer in time";

    public override async Task<DeadLetterPage> DeadLettersAsync(
        DeadLetterQuery query, int limit = 50, string? after = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(limit, MostLetters);
        return (await AskAsync(new() { Letters = new(query, after, limit) }, cancellationToken).ConfigureAwait(false)).Letters
            ?? throw new JobTransportException("The keeper is of a version that knows no dead letters.", isTransient: true);
    }

    public override async Task<IReadOnlyList<DeadLetterGroup>> DeadLetterGroupsAsync(DeadLetterQuery query, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        return (await AskAsync(new() { Groups = query }, cancellationToken).ConfigureAwait(false)).Groups ?? [];
    }

    Task<KeeperAnswer> AskAsync(KeeperQuestion question, CancellationToken cancellationToken) =>
        keeper?.AskAsync(question, cancellationToken) ?? throw new NotSupportedException("This inspector has no index of dead letters.");

    /// <exception cref="JobTransportException">The look took too long.</exception>
    async Task<T> WithinPatienceAsync<T>(Func<CancellationToken, Task<T>> look, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(patience, time);
        using var until = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            var answer = await look(until.Token).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            return answer;
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new JobTransportException($"The transport did not answer within {patience.TotalSeconds} seconds.", isTransient: true, e);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (workers.IsValueCreated)
        {
            await workers.Value.DisposeAsync().ConfigureAwait(false);
        }

        if (history.IsValueCreated)
        {
            await history.Value.DisposeAsync().ConfigureAwait(false);
        }
    }

    public void Dispose() => this.DisposeWithin(SynchronousDisposal.Limit);

    JobPage Page(List<JobRecordView> found, JobCursor? next, long backTo, string? problem = null) => new()
    {
        Jobs = [.. found.Select(one => one.Job)],
        Next = next?.ToString(),
        SearchedBackTo = JobAnswer.Time(backTo),
        Problem = History.Problem ?? problem,
    };

    /// <summary>Whether the log has entries that the index has not, or no more.</summary>
    async ValueTask<bool> HasOlderAsync(CancellationToken until)
    {
        if (History.Jobs.HasEvicted)
        {
            return true;
        }

        try
        {
            return History.BeganAt > (await log.Value.ExtentAsync(until).ConfigureAwait(false)).First;
        }
        catch (Exception e) when (e is JobTransportException || (e is OperationCanceledException && until.IsCancellationRequested))
        {
            return true; // the search will say how far it came
        }
    }
}
