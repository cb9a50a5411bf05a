using Jobs.Dashboard;
using Jobs.Dashboard.Access;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs;

/// <summary>Puts the dashboard into a web application.</summary>
public static class JobsDashboardEndpointRouteBuilderExtensions
{
    /// <summary>
    /// Shows queues, jobs, failures, workers and schedules below an address of the application, and lets a person mend
    /// what is wrong.
    /// </summary>
    /// <remarks>
    /// The dashboard is closed until somebody says who may see it: <c>.RequireAuthorization("operators")</c>, as for any
    /// endpoint. Without that it answers only to browsers on this machine, and only in Development, and to a browser that
    /// opens the link with the one-time token that the log has; to others with 404. Behind a proxy, say who may see it.
    /// </remarks>
    /// <param name="endpoints">The application.</param>
    /// <param name="pattern">The address. Defaults to <c>/jobs</c>.</param>
    /// <param name="configure">Sets the options. Defaults to the defaults of <see cref="JobsDashboardOptions"/>.</param>
    /// <returns>For conventions, such as <c>RequireAuthorization</c> and <c>RequireHost</c>.</returns>
    /// <exception cref="ArgumentException">The pattern has parameters.</exception>
    /// <exception cref="InvalidOperationException">The application has no <c>AddJobs</c>, or lacks a policy of the options.</exception>
    public static IEndpointConventionBuilder MapJobsDashboard(
        this IEndpointRouteBuilder endpoints, string pattern = "/jobs", Action<JobsDashboardOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        ArgumentNullException.ThrowIfNull(pattern);
        if (pattern.Contains('{', StringComparison.Ordinal))
        {
            throw new ArgumentException($"The address of the dashboard cannot have parameters: '{pattern}'.", nameof(pattern));
        }

        var options = new JobsDashboardOptions();
        configure?.Invoke(options);
        var services = endpoints.ServiceProvider;
        RequirePolicies(services, options);
        var environment = services.GetRequiredService<IHostEnvironment>();
        var logger = services.GetRequiredService<ILoggerFactory>().CreateLogger("Jobs.Dashboard");
        var time = services.GetService<TimeProvider>() ?? TimeProvider.System;
        var lifetime = services.GetService<IHostApplicationLifetime>();
        var sampler = new Sampler(time, logger, lifetime?.ApplicationStopping ?? CancellationToken.None);
        var (inspector, control) = (Required<JobInspector>(services), Required<JobControl>(services));
        var site = new Site(
            options.Title ?? environment.ApplicationName, inspector, control, Required<JobSchedules>(services),
            new(inspector, control, sampler), [.. Required<IOptions<JobsOptions>>(services).Value.SensitiveNames], time, logger);
        var token = new OneTimeToken(time);
        var address = $"/{pattern.Trim('/')}".TrimEnd('/');
        var handler = new DashboardHandler(
            site,
            new(options, token, environment, logger),
            token,
            http => Link(token, $"{http.Request.Scheme}://{http.Request.Host}{http.Request.PathBase}{address}"));
        EndpointMetadataCollection? metadata = null;
        var builder = endpoints.Map($"{address}/{{**path}}", handler.HandleAsync).WithDisplayName("Jobs dashboard");
        builder.Finally(endpoint => metadata = new(endpoint.Metadata));
        lifetime?.ApplicationStarted.Register(() =>
        {
            // Endpoints are built when somebody first asks for them, so that all conventions count.
            _ = services.GetService<EndpointDataSource>()?.Endpoints.Count;
            SayAddress(services, logger, environment, token, address, metadata is not null && Gate.HasPolicy(metadata));
        });
        return builder;
    }

    static T Required<T>(IServiceProvider services)
        where T : class =>
        services.GetService<T>()
        ?? throw new InvalidOperationException("The dashboard needs Jobs in the application: call builder.Services.AddJobs(…) first.");

    static void RequirePolicies(IServiceProvider services, JobsDashboardOptions options)
    {
        string[] policies = [.. new[] { options.ViewArgumentsPolicy, options.ActPolicy, options.AdministerPolicy }.OfType<string>()];
        if (policies.Length == 0)
        {
            return;
        }

        if (services.GetService<IAuthorizationService>() is null)
        {
            throw new InvalidOperationException(
                $"The dashboard has the policy '{policies[0]}', but the application has no authorization: call builder.Services.AddAuthorization(…).");
        }

        var known = services.GetRequiredService<IOptions<AuthorizationOptions>>().Value;
        if (services.GetRequiredService<IAuthorizationPolicyProvider>() is DefaultAuthorizationPolicyProvider
            && Array.Find(policies, policy => known.GetPolicy(policy) is null) is { } missing)
        {
            throw new InvalidOperationException($"The dashboard has the policy '{missing}', but AddAuthorization has none of that name.");
        }
    }

    static void SayAddress(IServiceProvider services, ILogger logger, IHostEnvironment environment, OneTimeToken token, string address, bool hasPolicy)
    {
        var server = services.GetService<IServer>()?.Features.Get<IServerAddressesFeature>()?.Addresses.FirstOrDefault();
        // Who listens at all addresses can be reached at this one, and a browser understands it.
        var reached = server?.Replace("//[::]", "//localhost", StringComparison.Ordinal).Replace("//0.0.0.0", "//localhost", StringComparison.Ordinal);
        var url = $"{reached?.TrimEnd('/')}{address}";
        if (hasPolicy)
        {
            Log.Address(logger, $"{url}/", "");
        }
        else
        {
            Log.Address(
                logger,
                environment.IsDevelopment() ? $"{url}/" : Link(token, url),
                environment.IsDevelopment() ? $" (for browsers on this machine; for another browser, once: {Link(token, url)})" : " (for one browser, once)");
        }
    }

    static string Link(OneTimeToken token, string address) => $"{address}/?{OneTimeToken.Parameter}={token.Current}";
}
