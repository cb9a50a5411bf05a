using Jobs.RabbitMQ;
using Jobs.Settings;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Jobs;

/// <summary>Adds the RabbitMQ transport.</summary>
public static class RabbitMqJobsBuilderExtensions
{
    /// <summary>
    /// Keeps jobs in the RabbitMQ cluster that the configuration names, or in a broker on this machine if it names
    /// none.
    /// </summary>
    /// <inheritdoc cref="UseRabbitMq(JobsBuilder, string?, Action{RabbitMqOptions}?)"/>
    public static JobsBuilder UseRabbitMq(this JobsBuilder jobs, Action<RabbitMqOptions>? configure = null)
    {
        jobs.Services.BindOnce<RabbitMqOptions>("Jobs:RabbitMq", (section, options) => section.Bind(options));
        jobs.Services.Configure(configure ?? (_ => { }));
        return jobs.UseTransport(services => ActivatorUtilities.CreateInstance<RabbitMqTransport>(services));
    }

    /// <summary>
    /// Keeps jobs in a RabbitMQ cluster: quorum queues, publisher confirms, delays kept by the broker.
    /// </summary>
    /// <param name="jobs">The builder.</param>
    /// <param name="uri">
    /// See <see cref="RabbitMqOptions.Uri"/>. With <see langword="null"/> the configuration must name the URI;
    /// otherwise the host does not start. A connection string with a misspelt name is <see langword="null"/>, so the
    /// mistake shows.
    /// </param>
    /// <param name="configure">Sets further options.</param>
    public static JobsBuilder UseRabbitMq(this JobsBuilder jobs, string? uri, Action<RabbitMqOptions>? configure = null) => jobs.UseRabbitMq(options =>
    {
        options.UseUri(uri);
        configure?.Invoke(options);
    });
}
