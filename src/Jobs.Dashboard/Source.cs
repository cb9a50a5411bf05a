namespace Jobs.Dashboard;

/// <summary>What the pages ask, each question once for all of them.</summary>
/// <param name="inspector">Answers.</param>
/// <param name="control">Knows requests.</param>
/// <param name="sampler">Asks once.</param>
/// <param name="isRefresh">Whether a page asks by itself, and nobody waits: then what takes long is asked seldom.</param>
sealed class Source(JobInspector inspector, JobControl control, Sampler sampler, bool isRefresh = false)
{
    // The first question of a process waits for the workers, which takes seconds. A page does not: it shows what is
    // known, and the rest two seconds later.
    static readonly TimeSpan shortly = TimeSpan.FromMilliseconds(500);

    // A search is what the reader waits for.
    static readonly TimeSpan patiently = TimeSpan.FromSeconds(6);

    // How old an answer may be for a page that asks by itself every two seconds. The answers of the keeper and of the
    // beats come through the transport, which costs several writes: such a page asks for these every other time.
    readonly TimeSpan? old = isRefresh ? TimeSpan.Zero : null;
    readonly TimeSpan? older = isRefresh ? TimeSpan.FromSeconds(3) : null;

    /// <summary>The same for a page that asks by itself.</summary>
    public Source ForRefresh() => new(inspector, control, sampler, isRefresh: true);

    public ValueTask<Sample<QueuePage>> QueuesAsync(CancellationToken stop) => sampler.AskAsync("queues", inspector.QueuesAsync, shortly, stop);

    public ValueTask<Sample<DelayedPage>> DelayedAsync(string? after, CancellationToken stop) =>
        sampler.AskAsync(("delayed", after), token => inspector.DelayedAsync(after: after, cancellationToken: token), patiently, stop, old);

    public ValueTask<Sample<IReadOnlyList<WorkerInfo>>> WorkersAsync(CancellationToken stop) =>
        sampler.AskAsync("workers", inspector.WorkersAsync, shortly, stop);

    public ValueTask<Sample<ThroughputInfo>> ThroughputAsync(CancellationToken stop) =>
        sampler.AskAsync("throughput", inspector.ThroughputAsync, shortly, stop);

    public ValueTask<Sample<TransportInfo>> TransportAsync(CancellationToken stop) =>
        sampler.AskAsync("transport", inspector.TransportAsync, shortly, stop);

    public ValueTask<Sample<IReadOnlyList<ScheduleInfo>>> SchedulesAsync(CancellationToken stop, bool wait = false) =>
        sampler.AskAsync("schedules", inspector.SchedulesAsync, wait ? patiently : shortly, stop, older);

    /// <summary>The failures, of which only those since the time count.</summary>
    public ValueTask<Sample<FailurePage>> FailuresAsync(JobQuery query, CancellationToken stop, bool wait = true) =>
        FindAsync(("failures", query with { From = Rounded(query.From) }), token => inspector.FailuresAsync(query, token), stop, wait);

    public ValueTask<Sample<JobPage>> SearchAsync(JobQuery query, CancellationToken stop) =>
        FindAsync(("search", query with { States = [] }, string.Join('+', query.States)), token => inspector.SearchAsync(query, token), stop);

    public ValueTask<Sample<JobInfo>> JobAsync(string id, CancellationToken stop) =>
        FindAsync(("job", id), token => inspector.GetJobAsync(id, token), stop);

    public ValueTask<Sample<DeadLetterPage>> LettersAsync(DeadLetterQuery query, int limit, string? after, CancellationToken stop, bool wait = true) =>
        sampler.AskAsync(
            ("letters", query with { Ids = null }, string.Join('+', query.Ids ?? []), limit, after),
            token => inspector.DeadLettersAsync(query, limit, after, token),
            wait ? patiently : shortly,
            stop,
            older);

    public ValueTask<Sample<IReadOnlyList<DeadLetterGroup>>> LetterGroupsAsync(DeadLetterQuery query, CancellationToken stop, bool wait = true) =>
        sampler.AskAsync(("groups", query), token => inspector.DeadLetterGroupsAsync(query, token), wait ? patiently : shortly, stop, older);

    /// <summary>How far a request about dead letters is; an answer without a value when nobody knows the request.</summary>
    public ValueTask<Sample<DeadLetterRequest>> RequestAsync(string id, CancellationToken stop) =>
        sampler.AskAsync(("request", id), async token => (await control.GetRequestAsync(id, token).ConfigureAwait(false))!, patiently, stop);

    /// <summary>Makes the next page ask everything anew.</summary>
    public void Expire() => sampler.Expire();

    // What may read the log for seconds.
    ValueTask<Sample<T>> FindAsync<T>(object question, Func<CancellationToken, Task<T>> search, CancellationToken stop, bool wait = true)
        where T : class =>
        sampler.AskAsync(question, token => sampler.InTurnAsync(search, token), wait ? patiently : shortly, stop, old);

    // "The last hour" is another time in every second, and the same question.
    static DateTimeOffset? Rounded(DateTimeOffset? time) => time is { } known ? known.AddTicks(-(known.Ticks % TimeSpan.TicksPerMinute)) : null;
}
