using Jobs.Diagnostics;
using Jobs.Events;
using Jobs.Registry;
using Jobs.Results;
using Jobs.Settings;
using Jobs.Transport;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs.Dispatching;

/// <summary>Sends jobs: encodes a job, publishes its message, and reports both to metrics and traces.</summary>
sealed class JobDispatcher(
    JobTransport transport, TaskRegistry tasks, IOptions<JobsOptions> jobsOptions, TimeProvider time, Telemetry telemetry,
    SentEvents sentEvents, ILogger<JobDispatcher> logger) : IJobDispatcher
{
    readonly TimeProvider time = GuardedTime.Of(time);
    readonly JobsOptions options = jobsOptions.Value;
    readonly JobEncoder encoder = new(tasks, jobsOptions.Value, transport);
    readonly JobIds ids = new();
    readonly ResultReader reader = new(transport, jobsOptions.Value.Types, GuardedLogger.Of(logger));

    public Task<JobHandle> EnqueueAsync(Job job, CancellationToken cancellationToken = default) =>
        SendAsync(job, default, static sent => new JobHandle(sent), cancellationToken);

    public Task<JobHandle<T>> EnqueueAsync<T>(Job<T> job, CancellationToken cancellationToken = default) =>
        SendAsync(job, default, static sent => new JobHandle<T>(sent), cancellationToken);

    public Task<JobHandle> EnqueueAsync(Chain chain, CancellationToken cancellationToken = default) =>
        SendAsync(chain, static sent => new JobHandle(sent), cancellationToken);

    public Task<JobHandle<T>> EnqueueAsync<T>(Chain<T> chain, CancellationToken cancellationToken = default) =>
        SendAsync(chain, static sent => new JobHandle<T>(sent), cancellationToken);

    public Task<IReadOnlyList<JobHandle>> EnqueueManyAsync(IEnumerable<Job> jobs, CancellationToken cancellationToken = default) =>
        SendManyAsync(jobs, static (_, job) => (job, default), static sent => new JobHandle(sent), cancellationToken);

    public Task<IReadOnlyList<JobHandle<T>>> EnqueueManyAsync<T>(IEnumerable<Job<T>> jobs, CancellationToken cancellationToken = default) =>
        SendManyAsync(jobs, static (_, job) => (job, default), static sent => new JobHandle<T>(sent), cancellationToken);

    public Task<IReadOnlyList<JobHandle>> EnqueueManyAsync(IEnumerable<Chain> chains, CancellationToken cancellationToken = default) =>
        SendManyAsync(chains, static (dispatcher, chain) => dispatcher.Split(chain), static sent => new JobHandle(sent), cancellationToken);

    public Task<IReadOnlyList<JobHandle<T>>> EnqueueManyAsync<T>(IEnumerable<Chain<T>> chains, CancellationToken cancellationToken = default) =>
        SendManyAsync(chains, static (dispatcher, chain) => dispatcher.Split(chain), static sent => new JobHandle<T>(sent), cancellationToken);

    /// <summary>For a transport that can take a job in another way than by a publish.</summary>
    internal JobTransport Transport => transport;

    internal TimeSpan EnqueueTimeout => options.EnqueueTimeout;

    public JobHandle<T> GetHandle<T>(string id)
    {
        ArgumentException.ThrowIfNullOrEmpty(id);
        return new(new SentJobHandle(id, reader));
    }

    /// <summary>The first job of a chain, and what its message carries of the others.</summary>
    internal (Job First, ReadOnlyMemory<Link> Later) Split(Chain chain)
    {
        ArgumentNullException.ThrowIfNull(chain);
        var last = chain.Links[^1];
        var links = chain.Links.SetItem(chain.Links.Length - 1, last with { Job = last.Job with { Result = chain.Result ?? WantsResult(last.Job) } });
        return (links[0].Job, links.AsMemory()[1..]);
    }

    Task<THandle> SendAsync<THandle>(Chain chain, Func<SentJobHandle, THandle> handle, CancellationToken cancellationToken)
    {
        var (first, later) = Split(chain);
        return SendAsync(first, later, handle, cancellationToken);
    }

    async Task<THandle> SendAsync<THandle>(
        Job job, ReadOnlyMemory<Link> later, Func<SentJobHandle, THandle> handle, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(job);
        var (results, timeout) = ((string?)null, options.EnqueueTimeout);
        if (AnyWantsResult(job, later))
        {
            var start = time.GetTimestamp();
            results = await OpenResultsAsync(job, cancellationToken).ConfigureAwait(false);
            timeout = timeout == Timeout.InfiniteTimeSpan ? timeout : Later(timeout - time.GetElapsedTime(start));
        }

        var outgoing = Encode(job, later, results, out var sent, out var observation);
        var awaited = results is null ? null : Expect(outgoing, later);
        try
        {
            await transport.PublishAsync(outgoing, timeout, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            Failed(e, awaited);
            observation?.End(e);
            throw;
        }

        Sent(outgoing);
        observation?.End();
        return handle(sent);

        static TimeSpan Later(TimeSpan left) => left > TimeSpan.Zero ? left : TimeSpan.FromMilliseconds(1);
    }

    Task<IReadOnlyList<THandle>> SendManyAsync<T, THandle>(
        IEnumerable<T> jobs, Split<T> split, Func<SentJobHandle, THandle> handle, CancellationToken cancellationToken)
        where THandle : JobHandle
    {
        ArgumentNullException.ThrowIfNull(jobs);
        return new ManyJobs<T, THandle>(this, time, split, handle, cancellationToken).SendAsync(jobs);
    }

    /// <summary>Whether somebody wants to hear what becomes of the job.</summary>
    /// <remarks>
    /// Nobody holds the handle of a job that a schedule fires. So such a job is tracked only where its result can be
    /// read by its id, or when its schedule says so.
    /// </remarks>
    internal bool WantsResult(Job job) => job.Result ?? (
        (job.Definition ?? tasks.Find(job.TaskName)) is { TrackResult: true }
        && (job.Schedule is null || transport.Capabilities.HasFlag(TransportCapabilities.ResultsById)));

    internal bool AnyWantsResult(Job job, ReadOnlyMemory<Link> later)
    {
        foreach (var link in later.Span)
        {
            if (link.Job.Result == true)
            {
                return true;
            }
        }

        return WantsResult(job);
    }

    /// <summary>The address for results.</summary>
    /// <exception cref="JobPublishException">There is none now, so the job is not enqueued.</exception>
    internal ValueTask<string> OpenResultsAsync(Job job, CancellationToken cancellationToken)
    {
        var opening = reader.Store.OpenAsync(cancellationToken);
        return opening.IsCompletedSuccessfully ? opening : WaitAsync(opening.AsTask());

        async ValueTask<string> WaitAsync(Task<string> opening)
        {
            try
            {
                return await opening.WaitAsync(options.EnqueueTimeout, time, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (e is JobTransportException or TimeoutException)
            {
                throw new JobPublishException(job.Id ?? "", maybeEnqueued: false, e is TimeoutException or JobTransportException { IsTransient: true },
                    $"Job '{job.TaskName}' was not enqueued, because there is no address for its result: {reader.Store.Problem ?? e.Message}", e);
            }
        }
    }

    /// <summary>Makes the message of a job, and begins the observation of its sending when anybody listens.</summary>
    /// <param name="job">The job.</param>
    /// <param name="later">The later links of the chain that begins with the job.</param>
    /// <param name="results">The address for the result; <see langword="null"/> when nobody wants it.</param>
    /// <param name="sent">What the handle needs to know: of the last link of a chain.</param>
    /// <param name="observation">The observation; <see langword="null"/> when nobody listens.</param>
    /// <exception cref="ArgumentException">The job cannot be sent as it is; no observation has begun.</exception>
    internal Outgoing Encode(Job job, ReadOnlyMemory<Link> later, string? results, out SentJobHandle sent, out SendObservation? observation)
    {
        ArgumentNullException.ThrowIfNull(job);
        var now = time.GetUtcNow();
        var id = job.Id ?? ids.Next(now); // the same moment as in the timestamp: see PublishTime
        var running = JobContext.Current;
        var replyTo = results is not null && WantsResult(job) ? results : null;
        var outgoing = encoder.Encode(job, new(now, id, options.Random.Next(), running?.RootId, running?.Id, replyTo, results), later);
        var description = new SentJob(transport.MessagingSystem, job.TaskName, id, running?.RootId ?? id, outgoing.Queue, outgoing.Message.Body.Length,
            IsScheduled: job.Schedule is not null);
        observation = SendObservation.Begin(telemetry, time, description, out var trace);

        // When nobody listens here, the new job carries on the trace that the running job came with.
        var (parent, state) = trace.Parent is null && running is not null ? new TraceHeaders(running.TraceParent, running.TraceState) : trace;
        if (parent is not null)
        {
            (outgoing.Message.Headers.TraceParent, outgoing.Message.Headers.TraceState) = (parent, string.IsNullOrEmpty(state) ? null : state);
        }

        var last = later.IsEmpty ? job : later.Span[^1].Job;
        var lastId = later.IsEmpty ? id : EmbedEncoder.IdOf(later.Span[^1], id, later.Length);
        var awaited = later.IsEmpty ? replyTo is not null : last.Result == true;
        sent = awaited ? new(lastId, reader, last.Definition) : new(lastId);
        return outgoing;
    }

    /// <summary>Tells the store of results of the jobs that somebody waits for.</summary>
    /// <returns>The ids of these jobs.</returns>
    internal List<string> Expect(in Outgoing first, ReadOnlyMemory<Link> later)
    {
        var awaited = Awaited(first, later);
        awaited.ForEach(reader.Store.Expect);
        return awaited;
    }

    /// <summary>The ids of the jobs whose results somebody waits for.</summary>
    internal static List<string> Awaited(in Outgoing first, ReadOnlyMemory<Link> later)
    {
        var id = first.Message.CorrelationId!;
        List<string> ids = first.Message.ReplyTo is null ? [] : [id];
        for (var i = 0; i < later.Length; i++)
        {
            if (later.Span[i].Job.Result == true)
            {
                ids.Add(EmbedEncoder.IdOf(later.Span[i], id, i + 1));
            }
        }

        return ids;
    }

    /// <summary>The job is enqueued.</summary>
    internal void Sent(in Outgoing outgoing) => sentEvents.Sent(outgoing);

    /// <summary>Nobody hears of jobs that were certainly not enqueued.</summary>
    internal void Failed(Exception e, List<string>? awaited)
    {
        if (e is JobPublishException { MaybeEnqueued: false })
        {
            awaited?.ForEach(reader.Store.Forget);
        }
    }

    internal ValueTask<IReadOnlyDictionary<int, Exception>> PublishAsync(IReadOnlyList<Outgoing> outgoing, CancellationToken cancellationToken) =>
        transport.PublishAsync(outgoing, options.EnqueueTimeout, cancellationToken);
}
