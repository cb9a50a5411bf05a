using Jobs.Registry;
using Jobs.Transport;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Jobs.Diagnostics;

/// <summary>Runs before worker and beat start, and stops the host with all problems at once.</summary>
sealed class StartupCheck(IServiceProvider services) : IHostedService
{
    /// <exception cref="OptionsValidationException">Something is wrong; the message lists all of it.</exception>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        var problems = new List<string>();
        problems.AddRange(services.GetRequiredService<IOptions<JobsOptions>>().Value.Problems());
        if (services.GetService<IOptions<WorkerOptions>>() is { } worker)
        {
            problems.AddRange(worker.Value.Problems());
        }

        if (services.GetService<IOptions<BeatOptions>>() is { } beat)
        {
            problems.AddRange(beat.Value.Problems());
        }

        problems.AddRange(services.GetRequiredService<JobTransport>().Problems());
        problems.AddRange(services.GetRequiredService<TaskRegistry>().Problems);
        return problems.Count == 0
            ? Task.CompletedTask
            : throw new OptionsValidationException(nameof(JobsOptions), typeof(JobsOptions), problems);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
