using Jobs.Beat;
using Jobs.Registry;
using Jobs.Transport;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Jobs.Health;

/// <summary>Stops the host with all problems at once, before any of its services starts.</summary>
/// <remarks>A host starts its services when all have been told that they are starting, in whatever order they are registered and also when they start concurrently.</remarks>
sealed class StartupCheck(IServiceProvider services) : IHostedLifecycleService
{
    /// <exception cref="OptionsValidationException">Something is wrong; the message lists all of it.</exception>
    public Task StartingAsync(CancellationToken cancellationToken)
    {
        var problems = new List<string>();
        var jobs = services.GetRequiredService<IOptions<JobsOptions>>().Value;
        problems.AddRange(jobs.Problems());

        var worker = services.GetRequiredService<IOptions<WorkerOptions>>().Value;
        problems.AddRange(worker.Problems());
        problems.AddRange(services.GetRequiredService<IOptions<JobsHealthOptions>>().Value.Problems());

        var tasks = services.GetRequiredService<TaskRegistry>();
        problems.AddRange(tasks.Problems);

        var transport = services.GetRequiredService<JobTransport>();
        problems.AddRange(transport.Problems());
        problems.AddRange(Queues(jobs, worker, tasks, transport));
        if (services.GetServices<IHostedService>().OfType<BeatService>().Any())
        {
            var beat = services.GetRequiredService<IOptions<BeatOptions>>().Value;
            problems.AddRange(beat.Problems());
            var book = ScheduleBook.Create(tasks, services.GetServices<Schedule>(), beat, out var scheduleProblems);
            problems.AddRange(scheduleProblems);
            problems.AddRange(book.Unsendable(new(tasks, jobs, transport)));
        }

        return problems.Count == 0
            ? Task.CompletedTask
            : throw new OptionsValidationException(nameof(JobsOptions), typeof(JobsOptions), problems);
    }

    static IEnumerable<string> Queues(JobsOptions jobs, WorkerOptions worker, TaskRegistry tasks, JobTransport transport)
    {
        var all = worker.Queues.Select(q => (Queue: q, Origin: "Jobs:Worker:Queues"))
            .Concat(tasks.All.Where(t => t.Queue is not null).Select(t => (Queue: t.Queue!, Origin: $"Task '{t.Name}': Queue")));
        foreach (var (queue, origin) in all.Where(q => q.Queue == jobs.DeadLetterQueue))
        {
            yield return $"{origin} '{queue}': it is the queue of dead letters (Jobs:DeadLetterQueue), and what dies there would go round for ever.";
        }

        foreach (var (queue, origin) in all.Append((jobs.DefaultQueue, "Jobs:DefaultQueue")).Append((jobs.DeadLetterQueue, "Jobs:DeadLetterQueue")))
        {
            if (queue is not null && transport.QueueProblem(queue) is { } problem)
            {
                yield return $"{origin} '{queue}': {problem}.";
            }
        }
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
