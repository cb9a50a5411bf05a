using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Jobs.Dashboard.Access;

/// <summary>Decides who may see the dashboard, and what a visitor may do.</summary>
/// <remarks>
/// 1. With an authorization policy on the endpoint, ASP.NET Core has already let the visitor through.
/// 2. Without a policy the dashboard is closed, except for browsers on this machine in Development, and for browsers
/// that have exchanged the token that is in the log.
/// </remarks>
sealed class Gate(JobsDashboardOptions options, OneTimeToken token, IHostEnvironment environment, ILogger logger)
{
    int hasSaidClosed;

    /// <summary>Whether somebody has said with the endpoint who may see it.</summary>
    public static bool HasPolicy(EndpointMetadataCollection metadata) =>
        metadata.GetMetadata<IAuthorizeData>() is not null || metadata.GetMetadata<AuthorizationPolicy>() is not null
        || metadata.GetMetadata<IAllowAnonymous>() is not null;

    /// <summary>What the visitor may do; <see cref="Rights.None"/> for a visitor who may not even know that there is a dashboard.</summary>
    public async ValueTask<Rights> RightsAsync(HttpContext http)
    {
        if (!MayView(http))
        {
            return Rights.None;
        }

        var rights = Rights.View;
        rights |= await HasAsync(http, options.ViewArgumentsPolicy).ConfigureAwait(false) ? Rights.Arguments : 0;
        if (!options.ReadOnly)
        {
            rights |= await HasAsync(http, options.ActPolicy).ConfigureAwait(false) ? Rights.Act : 0;
            rights |= await HasAsync(http, options.AdministerPolicy ?? options.ActPolicy).ConfigureAwait(false) ? Rights.Administer : 0;
        }

        return rights;
    }

    bool MayView(HttpContext http)
    {
        if ((http.GetEndpoint() is { } endpoint && HasPolicy(endpoint.Metadata)) || token.HasSession(http))
        {
            return true;
        }

        var why = environment.IsDevelopment() ? LocalVisitor.WhyNot(http) : $"the environment is {environment.EnvironmentName}, and not Development";
        if (why is not null && Interlocked.Exchange(ref hasSaidClosed, 1) == 0)
        {
            Log.Closed(logger, http.Request.Path, why);
        }

        return why is null;
    }

    static async ValueTask<bool> HasAsync(HttpContext http, string? policy) =>
        policy is null
        || (await http.RequestServices.GetRequiredService<IAuthorizationService>().AuthorizeAsync(http.User, http, policy).ConfigureAwait(false)).Succeeded;
}
