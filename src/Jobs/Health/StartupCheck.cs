using Jobs.Beat;
using Jobs.Diagnostics;
using Jobs.Registry;
using Jobs.Transport;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs.Health;

/// <summary>Fails the start of the host with all problems in one exception, before any hosted service starts.</summary>
/// <remarks>
/// A host makes all its hosted services, in the order of their registration, before it starts the first. The worker and
/// the beat read their options when they are made. So this check runs in its constructor, and is registered before the
/// worker and the beat.
/// </remarks>
sealed class StartupCheck : IHostedService
{
    readonly IServiceProvider services;
    readonly List<string> problems = [];

    /// <exception cref="OptionsValidationException">There are problems; the message lists all of them.</exception>
    public StartupCheck(IServiceProvider services)
    {
        this.services = services;
        var jobs = Checked<JobsOptions>();
        var worker = Checked<WorkerOptions>();
        Checked<JobsHealthOptions>();
        var tasks = services.GetRequiredService<TaskRegistry>();
        problems.AddRange(tasks.Problems);

        var transport = Transport();
        problems.AddRange(transport.Problems());
        problems.AddRange(Queues(jobs, worker, tasks, transport));
        if (Has(HostPart.Beat))
        {
            var book = ScheduleBook.Create(tasks, services.GetServices<Schedule>(), Checked<BeatOptions>(), out var scheduleProblems);
            problems.AddRange(scheduleProblems);
            problems.AddRange(book.Unsendable(new(tasks, jobs, transport)));
        }

        if (problems.Count > 0)
        {
            throw new OptionsValidationException(nameof(JobsOptions), typeof(JobsOptions), problems);
        }

        WarnOfContradictions(jobs, worker, tasks, transport);
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    bool Has(HostPart part) => services.GetServices<HostPart>().Contains(part);

    /// <summary>
    /// The options. Options that are not valid are returned as they are, so that checks which depend on them run too.
    /// </summary>
    T Checked<T>()
        where T : class, new()
    {
        try
        {
            return services.GetRequiredService<IOptions<T>>().Value;
        }
        catch (OptionsValidationException e)
        {
            problems.AddRange(e.Failures);
            return new OptionsFactory<T>(services.GetServices<IConfigureOptions<T>>(), services.GetServices<IPostConfigureOptions<T>>())
                .Create(Options.DefaultName);
        }
    }

    JobTransport Transport()
    {
        try
        {
            return services.GetRequiredService<JobTransport>();
        }
        catch (OptionsValidationException e)
        {
            // Without duplicates: the transport reads the shared options too.
            problems.AddRange(e.Failures.Except(problems));
            return new InMemoryTransport(TimeProvider.System); // a stand-in that reports no problems
        }
    }

    /// <summary>Warns of settings that are valid, but do not work as their author will expect.</summary>
    void WarnOfContradictions(JobsOptions jobs, WorkerOptions worker, TaskRegistry tasks, JobTransport transport)
    {
        var logger = GuardedLogger.Of(services.GetRequiredService<ILogger<StartupCheck>>());
        foreach (var contradiction in transport.Contradictions(jobs))
        {
            Log.SettingsContradict(logger, contradiction);
        }

        if (Has(HostPart.Worker))
        {
            foreach (var contradiction in worker.Contradictions(worker.EffectiveQueues(tasks, jobs), HostShutdown.Timeout(services)))
            {
                Log.SettingsContradict(logger, contradiction);
            }
        }
    }

    static IEnumerable<string> Queues(JobsOptions jobs, WorkerOptions worker, TaskRegistry tasks, JobTransport transport)
    {
        var all = worker.Queues.Select(q => (Queue: q, Origin: "Jobs:Worker:Queues"))
            .Concat(tasks.All.Where(t => t.Queue is not null).Select(t => (Queue: t.Queue!, Origin: $"Task '{t.Name}': Queue")));
        foreach (var (queue, origin) in all.Where(q => q.Queue == jobs.DeadLetterQueue))
        {
            yield return $"{origin} '{queue}': it is the queue of dead letters (Jobs:DeadLetterQueue); a job that dies there would go round for ever.";
        }

        var taken = worker.EffectiveQueues(tasks, jobs);
        foreach (var queue in worker.QueueConcurrency.Keys.Except(taken))
        {
            yield return $"Jobs:Worker:QueueConcurrency:{queue}: this worker takes no jobs from that queue, but from {string.Join(", ", taken)}.";
        }

        foreach (var (queue, origin) in all.Append((jobs.DefaultQueue, "Jobs:DefaultQueue")).Append((jobs.DeadLetterQueue, "Jobs:DeadLetterQueue")))
        {
            if (queue is not null && transport.QueueProblem(queue) is { } problem)
            {
                yield return $"{origin} '{queue}': {problem}.";
            }
        }
    }
}

/// <summary>
/// A part that a host has beside the dispatcher. The check looks for parts, because it cannot ask for hosted services
/// that are not made yet.
/// </summary>
sealed record HostPart(string Name)
{
    public static HostPart Worker { get; } = new("worker");

    public static HostPart Beat { get; } = new("beat");
}
