using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Jobs.Benchmarks;

/// <summary>A host with dispatcher and worker, as a user would build it.</summary>
sealed class JobsUnderTest : IAsyncDisposable
{
    readonly IHost host;

    JobsUnderTest(IHost host) => this.host = host;

    public IJobDispatcher Dispatcher => host.Services.GetRequiredService<IJobDispatcher>();

    public static async Task<JobsUnderTest> StartAsync(string broker, bool worker = true)
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.Services.AddJobs(jobs =>
        {
            jobs.UseRabbitMq(broker).AddTasks();
            if (worker)
            {
                jobs.AddWorker(options =>
                {
                    options.Queues = ["bench.jobs"];
                    options.Concurrency = 16;
                    options.Prefetch = Reference.Prefetch;
                });
            }
        });
        var host = builder.Build();
        await host.StartAsync();
        return new(host);
    }

    public async ValueTask DisposeAsync()
    {
        await host.StopAsync();
        host.Dispose();
    }
}
