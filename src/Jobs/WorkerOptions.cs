using Jobs.Registry;
using Jobs.Settings;
using Jobs.Transport;

namespace Jobs;

/// <summary>
/// How this process runs jobs. Bound to the configuration section <c>Jobs:Worker</c>; values set in code, in
/// <c>AddWorker</c>, win.
/// </summary>
public sealed class WorkerOptions : IBoundOptions
{
    /// <summary>
    /// The queues to take jobs from. Defaults to the queues of all registered tasks and the default queue.
    /// </summary>
    public IList<string> Queues { get; set; } = [];

    /// <summary>
    /// How many jobs run at once, over all queues. Raise the number for jobs that wait, not for jobs that compute.
    /// Defaults to 4 × processors.
    /// </summary>
    public int Concurrency { get; set; } = 4 * Environment.ProcessorCount;

    /// <summary>
    /// How many jobs of one queue run at once in this process, by queue name. For jobs that must not take all slots, or
    /// that use something which bears only a few users at a time. This process prefetches at most twice this number
    /// from such a queue. In configuration: <c>Jobs:Worker:QueueConcurrency:images = 2</c>. Defaults to
    /// <see cref="Concurrency"/> for each queue.
    /// </summary>
    public IDictionary<string, int> QueueConcurrency { get; set; } = new Dictionary<string, int>();

    /// <summary>
    /// How many unsettled jobs this process may hold per queue. For jobs of milliseconds, a higher number hides
    /// latency. For jobs of minutes choose <see cref="Concurrency"/>: then no job waits here while another process is
    /// idle. Defaults to 2 × <see cref="Concurrency"/>, at most 65,535.
    /// </summary>
    public int? Prefetch { get; set; }

    /// <summary>
    /// How many workers a suspect may take down before it goes to the dead-letter queue; at least 2. A job becomes a
    /// suspect when it was delivered five times (or half of this number, when that is less) and never settled. The
    /// transport then moves the suspect to quarantine, where suspects run one at a time and a new count begins; a
    /// worker that stops does not count there. The in-memory transport has no quarantine, and neither have queues that
    /// somebody else declared (<c>DeclareMode.Passive</c>): there no job dies for this reason. Defaults to 20.
    /// </summary>
    public int MaxDeliveries { get; set; } = 20;

    /// <summary>
    /// How long running jobs may go on after the host asks the worker to stop. Then the worker fires the jobs'
    /// cancellation tokens and gives the jobs back. Keep this a few seconds below <c>HostOptions.ShutdownTimeout</c>
    /// (30 s). Defaults to 20 seconds.
    /// </summary>
    public TimeSpan DrainTimeout { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>
    /// <see langword="true"/>: the worker takes its first job when the application has started, so migrations and
    /// warm-up of other services have run. <see langword="false"/>: the worker takes its first job when the worker
    /// itself starts, in the order of the host's services. Defaults to <see langword="true"/>.
    /// </summary>
    public bool WaitForApplicationStart { get; set; } = true;

    /// <summary>
    /// The name of this worker in events and viewers: <c>news@web1</c>, or <c>news</c>, to which Jobs adds the name of
    /// the machine. All workers of an application need different names. Defaults to <c>jobs-4711@web1</c>, with the id
    /// of the process.
    /// </summary>
    public string? Name { get; set; }

    /// <summary><see cref="Queues"/>, or else the queues of all tasks and the default queue.</summary>
    internal IReadOnlyList<string> EffectiveQueues(TaskRegistry tasks, JobsOptions jobs) => Queues.Count > 0
        ? [.. Queues.Distinct()]
        : [.. tasks.All.Select(t => t.Queue ?? jobs.DefaultQueue).Append(jobs.DefaultQueue).Distinct()];

    internal int EffectivePrefetch => Prefetch ?? Math.Min(Concurrency * 2, ushort.MaxValue);

    internal Dictionary<string, int> EffectiveQueuePrefetch =>
        QueueConcurrency.ToDictionary(queue => queue.Key, queue => Math.Min(EffectivePrefetch, queue.Value * 2), StringComparer.Ordinal);

    internal IEnumerable<string> Contradictions(IReadOnlyList<string> queues, TimeSpan? shutdownTimeout)
    {
        if (DrainTimeout >= shutdownTimeout)
        {
            yield return $"Jobs:Worker:DrainTimeout {DrainTimeout} is not below HostOptions.ShutdownTimeout {shutdownTimeout}: the host ends while "
                + "jobs still run, and cuts these jobs off instead of giving them back";
        }

        if (Prefetch * queues.Count < Concurrency)
        {
            yield return $"Jobs:Worker:Prefetch {Prefetch} of {queues.Count} queues hands out fewer jobs than Concurrency {Concurrency} could run";
        }

        foreach (var (queue, limit) in QueueConcurrency.Where(q => q.Value > Concurrency))
        {
            yield return $"Jobs:Worker:QueueConcurrency:{queue} {limit} is more than Concurrency {Concurrency}, and has no effect";
        }
    }

    IReadOnlyList<string> IBoundOptions.Unbound { get; set; } = [];

    IEnumerable<string> IBoundOptions.Problems()
    {
        foreach (var queue in Queues.Where(q => !QueueName.IsValid(q)))
        {
            yield return $"Jobs:Worker:Queues '{queue}': {QueueName.Rule}.";
        }

        if (Concurrency is < 1 or > 10_000)
        {
            yield return $"Jobs:Worker:Concurrency {Concurrency}: must be 1 to 10,000.";
        }

        foreach (var (queue, limit) in QueueConcurrency.Where(q => q.Value < 1))
        {
            yield return $"Jobs:Worker:QueueConcurrency:{queue} {limit}: must be 1 or more.";
        }

        if (Prefetch is < 1 or > ushort.MaxValue)
        {
            yield return $"Jobs:Worker:Prefetch {Prefetch}: must be 1 to 65,535, or null to follow Concurrency.";
        }

        const int MaxName = 120;
        if (Name is { } name && (name.Length > MaxName || name.Split('@') is not ([_] or [_, _]) || name.Split('@').Any(part => part.Length == 0)
            || name.Any(character => char.IsWhiteSpace(character) || char.IsControl(character))))
        {
            yield return $"Jobs:Worker:Name '{Name}': must be a name, or name@machine, of at most {MaxName} characters without spaces.";
        }

        if (MaxDeliveries < 2)
        {
            yield return $"Jobs:Worker:MaxDeliveries {MaxDeliveries}: must be 2 or more.";
        }

        if (DrainTimeout < TimeSpan.Zero || DrainTimeout > TimeSpan.FromDays(49))
        {
            yield return $"Jobs:Worker:DrainTimeout {DrainTimeout}: must not be negative, nor longer than 49 days.";
        }
    }
}
