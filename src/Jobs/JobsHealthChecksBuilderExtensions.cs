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
    /// Adds <c>jobs-liveness</c>, tagged <c>live</c>: whether this process makes progress, or should be restarted; never unhealthy because a broker is away. And <c>jobs-readiness</c>, tagged
    /// <c>ready</c>: whether it can enqueue, and take jobs if it is a worker.
    /// </summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Thresholds.</param>
    public static IHealthChecksBuilder AddJobs(this IHealthChecksBuilder builder, Action<JobsHealthOptions>? configure = null)
    {
        var services = builder.Services;
        services.BindOnce<JobsHealthOptions>("Jobs:Health", (section, options) => section.Bind(options));
        if (services.All(s => s.ServiceType != typeof(LivenessCheck))) // once: two checks of one name are an error
        {
            services.TryAddSingleton<LivenessCheck>(); // one instance, because it remembers since when nothing moves
            services.TryAddSingleton<ReadinessCheck>();
            builder.AddCheck<LivenessCheck>("jobs-liveness", tags: ["live"]);
            builder.AddCheck<ReadinessCheck>("jobs-readiness", tags: ["ready"]);
        }

        services.Configure(configure ?? (_ => { }));
        return builder;
    }
}
