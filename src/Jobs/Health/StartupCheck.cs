using Jobs.Beat;
using Jobs.Registry;
using Jobs.Transport;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Jobs.Health;

/// <summary>Runs before worker and beat start, and stops the host with all problems at once.</summary>
sealed class StartupCheck(IServiceProvider services) : IHostedService
{
    /// <exception cref="OptionsValidationException">Something is wrong; the message lists all of it.</exception>
    public Task StartAsync(CancellationToken cancellationToken)
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
            _ = ScheduleBook.Create(tasks, services.GetServices<Schedule>(), beat, out var scheduleProblems);
            problems.AddRange(scheduleProblems);
        }

        return problems.Count == 0
            ? Task.CompletedTask
            : throw new OptionsValidationException(nameof(JobsOptions), typeof(JobsOptions), problems);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
