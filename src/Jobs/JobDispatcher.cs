using System.Text;
using Jobs.Diagnostics;
using Jobs.Registry;
using Jobs.Transport;
using Jobs.Wire;
using Microsoft.Extensions.Options;

namespace Jobs;

/// <summary>Merges options, encodes and publishes.</summary>
sealed class JobDispatcher(JobTransport transport, TaskRegistry tasks, IOptions<JobsOptions> jobsOptions, TimeProvider time, Telemetry telemetry) : IJobDispatcher
{
    const int MaxIdBytes = 255; // an AMQP short string: correlation_id carries it
    const int MaxInFlight = 1024;

    readonly JobsOptions options = jobsOptions.Value;

    public async Task<JobHandle> EnqueueAsync(Job job, CancellationToken cancellationToken = default) =>
        new(await SendAsync(job, cancellationToken).ConfigureAwait(false));

    public async Task<JobHandle<T>> EnqueueAsync<T>(Job<T> job, CancellationToken cancellationToken = default) =>
        new(await SendAsync(job, cancellationToken).ConfigureAwait(false));

    public async Task<IReadOnlyList<JobHandle>> EnqueueManyAsync(IEnumerable<Job> jobs, CancellationToken cancellationToken = default)
    {
        var handles = new List<JobHandle?>();
        var failures = new SortedDictionary<int, Exception>();
        var inFlight = new Queue<ValueTask<string>>(); // confirms come in order, so waiting for the oldest waits for all

        foreach (var job in jobs)
        {
            inFlight.Enqueue(SendAsync(job, cancellationToken));
            if (inFlight.Count == MaxInFlight)
            {
                await CompleteOldestAsync().ConfigureAwait(false);
            }
        }

        while (inFlight.Count > 0)
        {
            await CompleteOldestAsync().ConfigureAwait(false);
        }

        return failures.Count == 0 ? [.. handles.Select(h => h!)] : throw new EnqueueManyException(handles, failures);

        async ValueTask CompleteOldestAsync()
        {
            try
            {
                handles.Add(new(await inFlight.Dequeue().ConfigureAwait(false)));
            }
            catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
            {
                failures.Add(handles.Count, e);
                handles.Add(null);
            }
        }
    }

    async ValueTask<string> SendAsync(Job job, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(job);
        var task = job.Definition ?? tasks.Find(job.Task);
        var queue = job.Queue ?? task?.Queue ?? options.DefaultQueue; // call → attribute → host → constant
        var expires = job.Expires ?? task?.Expires;
        var now = time.GetUtcNow();
        var id = job.Id ?? Guid.CreateVersion7(now).ToString(); // of the same moment as the timestamp: see PublishTime
        var eta = Eta(job, now);
        Validate(job, id, queue);

        var started = time.GetTimestamp();
        using var activity = Traces.StartSend(transport.MessagingSystem, job.Task, id, queue);
        var message = new JobMessage
        {
            Headers = Headers(job, id, eta, expires is { } after ? now + after : null),
            Body = JobBody.Write(job.Task, job.Arguments, options.Json),
            CorrelationId = id,
            Priority = job.Priority ?? task?.Priority,
            Timestamp = now.ToUnixTimeSeconds(),
        };
        activity?.SetTag(Names.Tag.BodySize, message.Body.Length);
        try
        {
            await transport.PublishAsync(new Outgoing(queue, message, eta is { } due && due > now ? due - now : TimeSpan.Zero), options.EnqueueTimeout, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            Traces.Failed(activity, e);
            telemetry.Sent(transport.MessagingSystem, job.Task, queue, time.GetElapsedTime(started), Telemetry.ErrorType(e));
            throw;
        }

        telemetry.Sent(transport.MessagingSystem, job.Task, queue, time.GetElapsedTime(started), null);
        return id;
    }

    // Only headers that are set: each one costs a dictionary entry, bytes on the wire and a parse at every hop.
    static JobHeaders Headers(Job job, string id, DateTimeOffset? eta, DateTimeOffset? expires)
    {
        var headers = new JobHeaders { Task = job.Task, Id = id };
        if (JobContext.Current is { } parent)
        {
            headers.RootId = parent.RootId;
            headers.ParentId = parent.Id;
        }

        (headers.Eta, headers.Expires) = (eta, expires);
        Traces.Inject(headers);
        foreach (var (name, value) in job.Headers ?? System.Collections.Immutable.ImmutableDictionary<string, object?>.Empty)
        {
            headers[name] = value;
        }

        return headers;
    }

    internal static DateTimeOffset? Eta(Job job, DateTimeOffset now) => job switch
    {
        { Delay: not null, Eta: not null } => throw new ArgumentException($"Job '{job.Task}' has both Delay ({job.Delay}) and Eta ({job.Eta}); set one.", nameof(job)),
        { Delay: { } delay } => delay < TimeSpan.Zero || delay > MaxDelay
            ? throw new ArgumentException($"Job '{job.Task}' has a Delay of {delay}; it must be 0 to {MaxDelay.TotalDays:0} days.", nameof(job))
            : now + delay,
        { Eta: { } eta } => eta - now > MaxDelay
            ? throw new ArgumentException($"Job '{job.Task}' has an Eta of {eta:u}; it must be at most {MaxDelay.TotalDays:0} days from now.", nameof(job))
            : eta,
        _ => null,
    };

    /// <summary>2^28 − 1 seconds, what 28 binary levels can hold: eight and a half years.</summary>
    internal static TimeSpan MaxDelay { get; } = TimeSpan.FromSeconds((1 << 28) - 1);

    internal static void Validate(Job job, string id, string queue)
    {
        if (id.Length == 0 || Encoding.UTF8.GetByteCount(id) > MaxIdBytes)
        {
            throw new ArgumentException($"Job '{job.Task}' has the id '{id}'; an id has 1 to {MaxIdBytes} bytes.", nameof(job));
        }

        if (!QueueName.IsValid(queue))
        {
            throw new ArgumentException($"Job '{job.Task}' goes to the queue '{queue}'; {QueueName.Rule}.", nameof(job));
        }

        if (job.Priority > 9)
        {
            throw new ArgumentException($"Job '{job.Task}' has priority {job.Priority}; it must be 0 to 9.", nameof(job));
        }

        if (job.Expires <= TimeSpan.Zero || job.Expires > MaxDelay)
        {
            throw new ArgumentException($"Job '{job.Task}' expires after {job.Expires}; that must be positive, and at most {MaxDelay.TotalDays:0} days.", nameof(job));
        }

        foreach (var (name, value) in job.Headers ?? System.Collections.Immutable.ImmutableDictionary<string, object?>.Empty)
        {
            if (name.Length == 0 || Encoding.UTF8.GetByteCount(name) > MaxIdBytes || WireHeaders.IsReserved(name))
            {
                throw new ArgumentException($"Job '{job.Task}' has a header '{name}', which is a name of the protocol or not 1 to {MaxIdBytes} bytes; choose another.", nameof(job));
            }

            // Other integer types corrupt the whole table when Python reads it (celery-protocol §2.2).
            if (value is not (null or string or bool or int or double))
            {
                throw new ArgumentException($"Job '{job.Task}' has a header '{name}' of type {value.GetType().Name}; use string, bool, int, double or null.", nameof(job));
            }
        }
    }
}
