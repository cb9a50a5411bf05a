using Jobs.Faults.Sites;

namespace Jobs.Faults.Load;

/// <summary>The transport of a site.</summary>
static class SiteTransport
{
    /// <param name="jobs">The builder.</param>
    /// <param name="uri">The <see cref="Site.ClientUri"/> of the site.</param>
    /// <param name="rabbit">Options that only RabbitMQ has.</param>
    public static JobsBuilder UseSite(this JobsBuilder jobs, string uri, Action<RabbitMqOptions>? rabbit = null) =>
        SqliteSite.Is(uri) ? jobs.UseSqlite(SqliteSite.FileOf(uri)) : jobs.UseRabbitMq(uri, rabbit);
}
