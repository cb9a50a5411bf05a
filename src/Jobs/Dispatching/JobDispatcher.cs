using Jobs.Diagnostics;
using Jobs.Registry;
using Jobs.Settings;
using Jobs.Transport;
using Microsoft.Extensions.Options;

namespace Jobs.Dispatching;

/// <summary>Sends jobs: encodes a job, publishes its message, and reports both to metrics and traces.</summary>
sealed class JobDispatcher(
    JobTransport transport, TaskRegistry tasks, IOptions<JobsOptions> jobsOptions, TimeProvider time, Telemetry telemetry) : IJobDispatcher
{
    readonly TimeProvider time = GuardedTime.Of(time);
    readonly JobsOptions options = jobsOptions.Value;
    readonly JobEncoder encoder = new(tasks, jobsOptions.Value, transport);
    readonly JobIds ids = new();

    public Task<JobHandle> EnqueueAsync(Job job, CancellationToken cancellationToken = default) =>
        SendAsync(job, static id => new JobHandle(id), cancellationToken);

    public Task<JobHandle<T>> EnqueueAsync<T>(Job<T> job, CancellationToken cancellationToken = default) =>
        SendAsync(job, static id => new JobHandle<T>(id), cancellationToken);

    public Task<IReadOnlyList<JobHandle>> EnqueueManyAsync(IEnumerable<Job> jobs, CancellationToken cancellationToken = default) =>
        SendManyAsync(jobs, static id => new JobHandle(id), cancellationToken);

    public Task<IReadOnlyList<JobHandle<T>>> EnqueueManyAsync<T>(IEnumerable<Job<T>> jobs, CancellationToken cancellationToken = default) =>
        SendManyAsync(jobs, static id => new JobHandle<T>(id), cancellationToken);

    /// <summary>For a transport that can take a job in another way than by a publish.</summary>
    internal JobTransport Transport => transport;

    internal TimeSpan EnqueueTimeout => options.EnqueueTimeout;

    async Task<THandle> SendAsync<THandle>(Job job, Func<string, THandle> handle, CancellationToken cancellationToken)
    {
        var outgoing = Encode(job, out var observation);
        var id = outgoing.Message.CorrelationId!;
        try
        {
            await transport.PublishAsync(outgoing, options.EnqueueTimeout, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            observation?.End(e);
            throw;
        }

        observation?.End();
        return handle(id);
    }

    Task<IReadOnlyList<THandle>> SendManyAsync<THandle>(IEnumerable<Job> jobs, Func<string, THandle> handle, CancellationToken cancellationToken)
        where THandle : JobHandle
    {
        ArgumentNullException.ThrowIfNull(jobs);
        return new ManyJobs<THandle>(this, time, handle, cancellationToken).SendAsync(jobs);
    }

    /// <summary>Makes the message of a job, and begins the observation of its sending when anybody listens.</summary>
    /// <exception cref="ArgumentException">The job cannot be sent as it is; no observation has begun.</exception>
    internal Outgoing Encode(Job job, out SendObservation? observation)
    {
        ArgumentNullException.ThrowIfNull(job);
        var now = time.GetUtcNow();
        var id = job.Id ?? ids.Next(now); // the same moment as in the timestamp: see PublishTime
        var running = JobContext.Current;
        var outgoing = encoder.Encode(job, new(now, id, options.Random.Next(), running?.RootId, running?.Id));
        var sent = new SentJob(transport.MessagingSystem, job.TaskName, id, running?.RootId ?? id, outgoing.Queue, outgoing.Message.Body.Length,
            IsScheduled: job.Schedule is not null);
        observation = SendObservation.Begin(telemetry, time, sent, out var trace);

        // When nobody listens here, the new job carries on the trace that the running job came with.
        var (parent, state) = trace.Parent is null && running is not null ? new TraceHeaders(running.TraceParent, running.TraceState) : trace;
        if (parent is not null)
        {
            (outgoing.Message.Headers.TraceParent, outgoing.Message.Headers.TraceState) = (parent, string.IsNullOrEmpty(state) ? null : state);
        }

        return outgoing;
    }

    internal ValueTask<IReadOnlyDictionary<int, Exception>> PublishAsync(IReadOnlyList<Outgoing> outgoing, CancellationToken cancellationToken) =>
        transport.PublishAsync(outgoing, options.EnqueueTimeout, cancellationToken);
}
