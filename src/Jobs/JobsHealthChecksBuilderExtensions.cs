using Jobs.Health;
using Jobs.Settings;
using Jobs;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds the health checks of Jobs.</summary>
public static class JobsHealthChecksBuilderExtensions
{
    /// <summary>
    /// Adds two checks. <c>jobs-liveness</c>, tagged <c>live</c>, says whether this process makes progress or should be
    /// restarted; a broker that is away never makes it unhealthy. <c>jobs-readiness</c>, tagged <c>ready</c>, says
    /// whether this process can enqueue and, as a worker, take jobs.
    /// </summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Thresholds.</param>
    public static IHealthChecksBuilder AddJobs(this IHealthChecksBuilder builder, Action<JobsHealthOptions>? configure = null)
    {
        var services = builder.Services;
        services.BindOnce<JobsHealthOptions>("Jobs:Health", (section, options) => section.Bind(options));
        if (services.All(s => s.ServiceType != typeof(LivenessCheck))) // once: two checks of one name are an error
        {
            services.TryAddSingleton<LivenessCheck>(); // one instance: it remembers since when nothing moves
            services.TryAddSingleton<ReadinessCheck>();
            builder.AddCheck<LivenessCheck>("jobs-liveness", tags: ["live"]);
            builder.AddCheck<ReadinessCheck>("jobs-readiness", tags: ["ready"]);
        }

        services.Configure(configure ?? (_ => { }));
        return builder;
    }
}
