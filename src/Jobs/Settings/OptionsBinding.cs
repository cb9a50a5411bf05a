using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Jobs.Settings;

/// <summary>
/// Takes options from configuration, if there is one, and then from code: code wins, in whatever order and however
/// often both are given.
/// </summary>
static class OptionsBinding
{
    /// <summary>
    /// The sections inside <c>Jobs</c>. A host may have settings for parts that it did not add: a web application may
    /// share its configuration with its worker.
    /// </summary>
    static readonly string[] parts = ["Worker", "Beat", "Health", "RabbitMq", "Sqlite"];

    /// <summary>Binds a section to options; a second call for the same options does nothing.</summary>
    /// <param name="services">The services of the host.</param>
    /// <param name="section">The path of the section.</param>
    /// <param name="bind">
    /// Calls <c>Bind</c>. The caller does that, because the source generator replaces only a call that names the type
    /// of the options.
    /// </param>
    public static void BindOnce<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)] T>(
        this IServiceCollection services, string section, Action<IConfiguration, T> bind)
        where T : class, IBoundOptions
    {
        services.AddOptions();
        if (services.Any(s => s.ImplementationFactory is Func<IServiceProvider, FromConfiguration<T>>))
        {
            return;
        }

        // At the front: options are configured in the order of registration, and an application may have called
        // Configure before AddJobs.
        Func<IServiceProvider, FromConfiguration<T>> create = provider => new(provider.GetService<IConfiguration>()?.GetSection(section), bind);
        services.Insert(0, ServiceDescriptor.Singleton<IConfigureOptions<T>>(create));
        services.AddSingleton<IValidateOptions<T>, OptionsCheck<T>>();
    }

    sealed class FromConfiguration<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)] T>(
        IConfigurationSection? section, Action<IConfiguration, T> bind)
        : IConfigureOptions<T>
        where T : class, IBoundOptions
    {
        public void Configure(T options)
        {
            if (section is not null)
            {
                var settings = SettingsSection.Read(section, typeof(T), typeof(T) == typeof(JobsOptions) ? parts : []);
                options.Unbound = settings.Problems; // the start-up check reports them with all other problems
                bind(settings.Values, options);
            }
        }
    }
}

/// <summary>Options that a configuration section is bound to.</summary>
interface IBoundOptions
{
    /// <summary>The problems of settings that do not fit, and so are not bound.</summary>
    IReadOnlyList<string> Unbound { get; set; }

    /// <summary>The problems of the values. Each problem names the setting, its value and what fits.</summary>
    IEnumerable<string> Problems();
}

/// <summary>
/// Checks options when somebody takes them: options that are not valid throw an exception that lists all problems.
/// </summary>
sealed class OptionsCheck<T> : IValidateOptions<T>
    where T : class, IBoundOptions
{
    public ValidateOptionsResult Validate(string? name, T options)
    {
        string[] problems = [.. options.Unbound, .. options.Problems()];
        return problems.Length == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);
    }
}
