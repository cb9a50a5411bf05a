using System.Text;
using Jobs.Registry;
using Jobs.Transport;
using Jobs.Wire;

namespace Jobs.Dispatching;

/// <summary>
/// Turns a job into a message: merges and validates the options, and writes headers and body. The encoder reads no
/// clock and does no I/O.
/// </summary>
sealed class JobEncoder(TaskRegistry tasks, JobsOptions options, JobTransport transport)
{
    const int MaxNameBytes = 255; // an AMQP short string: correlation_id carries the id

    EmbedEncoder? embeds;

    EmbedEncoder Embeds => embeds ??= new(this, options.Types);

    /// <summary>The message of a job, without its trace.</summary>
    /// <param name="job">The job.</param>
    /// <param name="sending">The values that differ each time that the job is sent.</param>
    /// <param name="later">The later links of the chain that begins with the job. Defaults to none.</param>
    /// <exception cref="ArgumentException">The job cannot be sent as it is.</exception>
    public Outgoing Encode(Job job, in Sending sending, ReadOnlyMemory<Link> later = default)
    {
        var merged = Merge(job);
        CheckedId(job, sending.Id);

        var eta = Eta(job, sending.Now);
        if (job.Eta is { } due && sending.Now + merged.Expires <= due)
        {
            throw new ArgumentException($"Job '{job.TaskName}' expires after {merged.Expires}, before its Eta of {due:u}: it would never run.", nameof(job));
        }

        var message = new JobMessage
        {
            Headers = Headers(job, sending, eta, merged.Expires),
            Body = JobBody.Write(job.TaskName, job.Arguments, options.Types, Embeds.Of(job, sending.Id, later, sending.Results)),
            CorrelationId = sending.Id,
            ReplyTo = sending.ReplyTo,
            Priority = merged.Priority,
            Timestamp = sending.Now.ToUnixTimeSeconds(),
        };
        return new(merged.Queue, message, eta is { } start && start > sending.Now ? start - sending.Now : TimeSpan.Zero);
    }

    /// <summary>
    /// Merges the options of a job. Each option comes from the call, or else from the task, or else from the host.
    /// </summary>
    /// <exception cref="ArgumentException">An option cannot be sent.</exception>
    public MergedOptions Merge(Job job)
    {
        Validate(job);
        var task = job.Definition ?? tasks.Find(job.TaskName);
        var queue = job.Queue ?? task?.Queue ?? (task is null ? TaskRoutes.Find(options.Routes, job.TaskName) : null) ?? options.DefaultQueue;
        ValidateQueue(job, queue);
        if (queue == options.DeadLetterQueue)
        {
            throw new ArgumentException(
                $"Job '{job.TaskName}' goes to '{queue}', the queue of dead letters, where nothing runs; choose another queue.", nameof(job));
        }

        if (transport.QueueProblem(queue) is { } problem)
        {
            throw new ArgumentException($"Job '{job.TaskName}' goes to the queue '{queue}'; {problem}.", nameof(job));
        }

        var expires = job.Expires ?? task?.Expires;
        if (expires <= job.Delay)
        {
            throw new ArgumentException(
                $"Job '{job.TaskName}' expires after {expires}, before its Delay of {job.Delay} is over: it would never run.", nameof(job));
        }

        return new(queue, expires, job.Priority ?? task?.Priority);
    }

    /// <summary>The id, if it can be sent.</summary>
    /// <exception cref="ArgumentException">The id cannot be sent.</exception>
    public static string CheckedId(Job job, string id) => IsName(id)
        ? id
        : throw new ArgumentException($"Job '{job.TaskName}' has the id '{id}'; an id has 1 to {MaxNameBytes} bytes.", nameof(job));

    /// <summary>Writes the arguments, as the body of a message.</summary>
    public byte[] WriteBody(Job job) => JobBody.Write(job.TaskName, job.Arguments, options.Types);

    /// <summary>
    /// Checks the options that the caller has set, as far as the check needs neither task nor host nor clock.
    /// </summary>
    /// <exception cref="ArgumentException">The job can never be sent as it is.</exception>
    public static void Validate(Job job)
    {
        if (job is { Delay: not null, Eta: not null })
        {
            throw new ArgumentException($"Job '{job.TaskName}' has both Delay ({job.Delay}) and Eta ({job.Eta}); set one.", nameof(job));
        }

        if (job.Delay < TimeSpan.Zero || job.Delay > Outgoing.MaxDelay)
        {
            throw new ArgumentException($"Job '{job.TaskName}' has a Delay of {job.Delay}; it must be 0 to {Outgoing.MaxDelay.TotalDays:0} days.", nameof(job));
        }

        if (job.Queue is { } queue)
        {
            ValidateQueue(job, queue);
        }

        if (job.Priority > 9)
        {
            throw new ArgumentException($"Job '{job.TaskName}' has priority {job.Priority}; it must be 0 to 9.", nameof(job));
        }

        if (job.Expires <= TimeSpan.Zero || job.Expires > Outgoing.MaxDelay)
        {
            throw new ArgumentException(
                $"Job '{job.TaskName}' expires after {job.Expires}; that must be positive, and at most {Outgoing.MaxDelay.TotalDays:0} days.", nameof(job));
        }

        if (job.Headers is { } headers)
        {
            ValidateHeaders(job, headers);
        }
    }

    static void ValidateQueue(Job job, string queue)
    {
        if (!QueueName.IsValid(queue))
        {
            throw new ArgumentException($"Job '{job.TaskName}' goes to the queue '{queue}'; {QueueName.Rule}.", nameof(job));
        }
    }

    static void ValidateHeaders(Job job, IReadOnlyDictionary<string, object?> headers)
    {
        foreach (var (name, value) in headers)
        {
            if (!IsName(name) || WireHeaders.IsReserved(name))
            {
                throw new ArgumentException($"Job '{job.TaskName}' has a header '{name}', which is a name of the protocol or not 1 to {MaxNameBytes} "
                    + "bytes; choose another.", nameof(job));
            }

            // An integer of another type corrupts the whole table when Python reads it (celery-protocol §2.2).
            if (value is not (null or string or bool or int or double))
            {
                throw new ArgumentException(
                    $"Job '{job.TaskName}' has a header '{name}' of type {value.GetType().Name}; use string, bool, int, double or null.", nameof(job));
            }
        }
    }

    static bool IsName(string text) => text.Length is > 0 and <= MaxNameBytes && Encoding.UTF8.GetByteCount(text) <= MaxNameBytes;

    static DateTimeOffset? Eta(Job job, DateTimeOffset now) => job switch
    {
        { Delay: { } delay } => now + delay,
        { Eta: { } eta } => eta - now > Outgoing.MaxDelay
            ? throw new ArgumentException(
                $"Job '{job.TaskName}' has an Eta of {eta:u}; it must be at most {Outgoing.MaxDelay.TotalDays:0} days from now.", nameof(job))
            : eta,
        _ => null,
    };

    // Only headers that are set: each header costs a dictionary entry, bytes on the wire and a parse at every hop. The
    // dictionary has room for these headers and no more: headers are a third of what an enqueue allocates.
    static JobHeaders Headers(Job job, in Sending sending, DateTimeOffset? eta, TimeSpan? expires)
    {
        const int Always = 3; // task, id, and the trace that is added later
        var count = Always
            + (sending.ParentId is null ? 0 : 2)
            + (eta is null ? 0 : 1)
            + (expires is null ? 0 : 1)
            + (job.Id is null ? 0 : 1)
            + (job.Schedule is null ? 0 : 1)
            + (job.IsWatched ? 1 : 0)
            + (job.Headers?.Count ?? 0);
        var headers = new JobHeaders(count) { Task = job.TaskName, Id = sending.Id };
        if (sending.ParentId is { } parent)
        {
            (headers.RootId, headers.ParentId) = (sending.RootId, parent);
        }

        if (eta is not null)
        {
            headers.Eta = eta;
        }

        if (expires is { } after)
        {
            headers.Expires = sending.Now + after;
        }

        if (job.Id is not null)
        {
            // A caller may send its own id twice; we never send an id of ours twice.
            headers[WireHeaders.Copy] = sending.Stamp;
        }

        if (job.Schedule is { } schedule)
        {
            headers.Schedule = schedule;
        }

        if (job.IsWatched)
        {
            headers[WireHeaders.Tell] = true;
        }

        if (job.Headers is { } own)
        {
            foreach (var (name, value) in own)
            {
                headers[name] = value;
            }
        }

        return headers;
    }
}

/// <summary>The values that differ each time that a job is sent.</summary>
/// <param name="Now">The time.</param>
/// <param name="Id">The id of the job.</param>
/// <param name="Stamp">A random number that tells this message from every other message with the same id.</param>
/// <param name="RootId">
/// The root of the running job that enqueues this job; <see langword="null"/> outside of a job.
/// </param>
/// <param name="ParentId">The running job that enqueues this job; <see langword="null"/> outside of a job.</param>
/// <param name="ReplyTo">The address for the result of this job; <see langword="null"/> when nobody wants it.</param>
/// <param name="Results">
/// The address for the results of jobs that follow; <see langword="null"/> when nobody wants them.
/// </param>
readonly record struct Sending(
    DateTimeOffset Now, string Id, int Stamp, string? RootId = null, string? ParentId = null, string? ReplyTo = null, string? Results = null);

/// <summary>The options of a job, merged with those of its task and of the host.</summary>
readonly record struct MergedOptions(string Queue, TimeSpan? Expires, byte? Priority);
