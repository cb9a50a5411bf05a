using Microsoft.Extensions.Logging;

namespace Jobs.Diagnostics;

/// <summary>
/// Guards jobs against log providers that throw: a log that is full or locked must change nothing about a job.
/// </summary>
/// <remarks>
/// All of Jobs logs through this class. It drops what a provider throws, because nobody is left to tell; the other
/// providers have got the line.
/// </remarks>
sealed class GuardedLogger(ILogger inner) : ILogger
{
    public static ILogger Of(ILogger logger) => logger as GuardedLogger ?? new GuardedLogger(logger);

    public bool IsEnabled(LogLevel logLevel)
    {
        try
        {
            return inner.IsEnabled(logLevel);
        }
        catch (Exception)
        {
            return true; // ask the providers themselves
        }
    }

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        try
        {
            inner.Log(logLevel, eventId, state, exception, formatter);
        }
        catch (Exception)
        {
            if (exception is not null && !ExceptionText.IsReadable(exception))
            {
                // Nobody can print the exception: log the line without it.
                Log(logLevel, eventId, state, null, formatter);
            }
        }
    }

    /// <summary>
    /// Begins a scope; <see cref="End"/> ends it. The scope is the providers' own, unguarded: a wrapper would cost an
    /// allocation per run.
    /// </summary>
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull
    {
        try
        {
            return inner.BeginScope(state);
        }
        catch (Exception)
        {
            return null;
        }
    }

    /// <summary>Ends a scope that <see cref="BeginScope"/> gave.</summary>
    public static void End(IDisposable? scope)
    {
        try
        {
            scope?.Dispose();
        }
        catch (Exception)
        {
            // As in Log.
        }
    }
}
