using Microsoft.Extensions.Hosting;

namespace Jobs.Beat;

sealed class BeatService : BackgroundService
{
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.CompletedTask;
}
