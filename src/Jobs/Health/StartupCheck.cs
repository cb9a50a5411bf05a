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
        problems.AddRange(services.GetRequiredService<IOptions<JobsOptions>>().Value.Problems());
        problems.AddRange(services.GetRequiredService<IOptions<WorkerOptions>>().Value.Problems());

        problems.AddRange(services.GetRequiredService<IOptions<JobsHealthOptions>>().Value.Problems());

        var tasks = services.GetRequiredService<TaskRegistry>();
        problems.AddRange(tasks.Problems);
        problems.AddRange(services.GetRequiredService<JobTransport>().Problems());
        if (services.GetServices<IHostedService>().OfType<BeatService>().Any())
        {
            var beat = services.GetRequiredService<IOptions<BeatOptions>>().Value;
            problems.AddRange(beat.Problems());
            var book = ScheduleBook.Create(tasks, services.GetServices<Schedule>(), beat, out var scheduleProblems);
            problems.AddRange(scheduleProblems);
            problems.AddRange(book.Unsendable(new(tasks, services.GetRequiredService<IOptions<JobsOptions>>().Value)));
        }

        return problems.Count == 0
            ? Task.CompletedTask
            : throw new OptionsValidationException(nameof(JobsOptions), typeof(JobsOptions), problems);
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
