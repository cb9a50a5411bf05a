using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Jobs.Contracts;

/// <summary>
/// What users see of jobs from end to end, on every transport: hosts with a dispatcher and a worker, on real time. Each
/// test has queues of its own.
/// </summary>
public abstract partial class HostContract : IAsyncLifetime
{
    readonly List<IHost> hosts = [];

    /// <summary>The tasks that these tests run, and what the tests see of them.</summary>
    protected ContractBench Bench { get; } = new();

    /// <summary>A queue that no other test uses.</summary>
    protected virtual string Queue { get; } = $"host.{Guid.NewGuid():N}";

    /// <summary>Chooses the transport of a host. All hosts of one test share queues.</summary>
    protected abstract void UseTransport(JobsBuilder jobs);

    /// <summary>The log lines of all hosts.</summary>
    protected LogLines Logs { get; } = new();

    /// <inheritdoc/>
    public virtual ValueTask InitializeAsync() => ValueTask.CompletedTask;

    /// <inheritdoc/>
    public virtual async ValueTask DisposeAsync()
    {
        Bench.Release.TrySetResult();
        foreach (var host in hosts)
        {
            await host.StopAsync(CancellationToken.None).Soon();
            await DisposeAsync(host);
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>Starts a host.</summary>
    /// <param name="worker">Whether it has a worker for the test's queue.</param>
    /// <param name="configure">What else is set.</param>
    /// <param name="more">What else the host has.</param>
    protected async Task<IJobDispatcher> StartAsync(bool worker = true, Action<JobsOptions>? configure = null, Action<JobsBuilder>? more = null)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Logging.SetMinimumLevel(LogLevel.Debug).AddProvider(Logs);
        builder.Services.AddSingleton(Bench);
        builder.Services.AddJobs(jobs =>
        {
            UseTransport(jobs);
            jobs.AddTasks<ContractTasks>().Configure(options =>
            {
                (options.DefaultQueue, options.DeadLetterQueue, options.RetryDelay) = (Queue, $"{Queue}.dead", TimeSpan.Zero);
                configure?.Invoke(options);
            });
            if (worker)
            {
                jobs.AddWorker(options => (options.Queues, options.Concurrency) = ([Queue], 4));
            }

            more?.Invoke(jobs);
        });
        var host = builder.Build();
        hosts.Add(host);
        await host.StartAsync(TestContext.Current.CancellationToken).Soon();
        return host.Services.GetRequiredService<IJobDispatcher>();
    }

    /// <summary>Stops the host of this dispatcher.</summary>
    protected async Task StopAsync(IJobDispatcher dispatcher, bool dispose = true)
    {
        var host = hosts.Single(host => host.Services.GetRequiredService<IJobDispatcher>() == dispatcher);
        await host.StopAsync(CancellationToken.None).Soon();
        if (dispose)
        {
            hosts.Remove(host);
            await DisposeAsync(host);
        }
    }

    IServiceProvider Services(IJobDispatcher dispatcher) =>
        hosts.Select(host => host.Services).Single(services => services.GetRequiredService<IJobDispatcher>() == dispatcher);

    static async ValueTask DisposeAsync(IHost host)
    {
        if (host is IAsyncDisposable disposable)
        {
            await disposable.DisposeAsync();
        }
    }
}
