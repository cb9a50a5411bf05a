using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Jobs;

/// <summary>Options come from configuration, where there is one, and then from code: code wins, however often and in whatever order both are given.</summary>
static class OptionsBinding
{
    /// <summary>Binds a section to options; a second call for the same options does nothing.</summary>
    /// <param name="services">The services of the host.</param>
    /// <param name="section">The path of the section.</param>
    /// <param name="bind">Calls <c>Bind</c>. In the caller, because the source generator replaces only a call that names the type of the options.</param>
    public static void BindOnce<T>(this IServiceCollection services, string section, Action<IConfigurationSection, T> bind)
        where T : class
    {
        services.AddOptions();
        if (services.Any(s => s.ImplementationFactory is Func<IServiceProvider, FromConfiguration<T>>))
        {
            return;
        }

        // In front of all: options are configured in the order of registration, and an application may have called Configure before AddJobs.
        Func<IServiceProvider, FromConfiguration<T>> create = provider => new(provider.GetService<IConfiguration>()?.GetSection(section), bind);
        services.Insert(0, ServiceDescriptor.Singleton<IConfigureOptions<T>>(create));
    }

    sealed class FromConfiguration<T>(IConfigurationSection? section, Action<IConfigurationSection, T> bind) : IConfigureOptions<T>
        where T : class
    {
        public void Configure(T options)
        {
            if (section is not null)
            {
                bind(section, options);
            }
        }
    }
}
