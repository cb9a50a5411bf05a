using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Options;

namespace Jobs.Health;

/// <summary>How long the host waits for its services when it stops.</summary>
static class HostShutdown
{
    /// <summary>
    /// <c>HostOptions.ShutdownTimeout</c>, or <see langword="null"/> where there is no <c>HostOptions</c>. The type is
    /// found by its name: a reference to its package would bring a dozen other packages to a program that only
    /// enqueues.
    /// </summary>
    [UnconditionalSuppressMessage("AOT", "IL3050", Justification = "The options are a class: their IOptions shares the code of all classes.")]
    [UnconditionalSuppressMessage("Trimming", "IL2076", Justification = "Nothing makes new options here; the host has registered its own.")]
    public static TimeSpan? Timeout(IServiceProvider services) =>
        Type.GetType("Microsoft.Extensions.Hosting.HostOptions, Microsoft.Extensions.Hosting") is { } type
        && services.GetService(typeof(IOptions<>).MakeGenericType(type)) is IOptions<object> { Value: var options }
            ? type.GetProperty("ShutdownTimeout")?.GetValue(options) as TimeSpan?
            : null;
}
