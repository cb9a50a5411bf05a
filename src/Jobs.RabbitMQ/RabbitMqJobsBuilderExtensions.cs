using Jobs.RabbitMQ;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Jobs;

/// <summary>Adds the RabbitMQ transport.</summary>
public static class RabbitMqJobsBuilderExtensions
{
    /// <summary>Keeps jobs in a RabbitMQ cluster: quorum queues, publisher confirms, delays kept by the broker.</summary>
    /// <param name="jobs">The builder.</param>
    /// <param name="uri">See <see cref="RabbitMqOptions.Uri"/>; <see langword="null"/> takes it from configuration.</param>
    /// <param name="configure">Further options.</param>
    public static JobsBuilder UseRabbitMq(this JobsBuilder jobs, string? uri = null, Action<RabbitMqOptions>? configure = null)
    {
        jobs.Services.BindOnce<RabbitMqOptions>("Jobs:RabbitMq", (section, options) => section.Bind(options));
        jobs.Services.Configure<RabbitMqOptions>(options =>
        {
            options.Uri = uri ?? options.Uri;
            configure?.Invoke(options);
        });
        return jobs.UseTransport(services => ActivatorUtilities.CreateInstance<RabbitMqTransport>(services));
    }
}
