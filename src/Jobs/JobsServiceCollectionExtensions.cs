using System.Diagnostics.Metrics;
using Jobs.Beat;
using Jobs.Control;
using Jobs.Diagnostics;
using Jobs.Dispatching;
using Jobs.Events;
using Jobs.Health;
using Jobs.Inspection;
using Jobs.Registry;
using Jobs.Settings;
using Jobs.Transport;
using Jobs;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds Jobs to a host.</summary>
public static class JobsServiceCollectionExtensions
{
    /// <summary>
    /// Adds the dispatcher, and what <paramref name="configure"/> asks for. Alone it makes a process that only
    /// enqueues.
    /// </summary>
    public static IServiceCollection AddJobs(this IServiceCollection services, Action<JobsBuilder> configure)
    {
        services.BindOnce<JobsOptions>("Jobs", (section, options) => section.Bind(options));
        services.AddLogging();
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton(provider => new Telemetry(provider.GetService<IMeterFactory>()));
        services.TryAddSingleton(provider => new TaskRegistry(provider.GetServices<TaskDefinition>()));
        services.TryAddSingleton<JobTransport, MissingTransport>();
        services.TryAddSingleton<IJobDispatcher, JobDispatcher>();
        services.BindOnce<BeatOptions>("Jobs:Beat", (section, options) => section.Bind(options)); // its schedules are listed without a beat too
        services.TryAddSingleton<JobSchedules, JournaledSchedules>();
        services.TryAddSingleton<KeeperClient>();
        services.TryAddSingleton<JobControl, KeeperControl>();
        services.TryAddSingleton<JobInspector, Inspector>();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, StartupCheck>());
        services.TryAddSingleton<LamportClock>();
        services.TryAddSingleton<EventLosses>();
        services.TryAddSingleton<SentEvents>();
        configure(new JobsBuilder(services));
        return services;
    }
}
