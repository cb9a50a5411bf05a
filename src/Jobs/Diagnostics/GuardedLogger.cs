using Microsoft.Extensions.Logging;

namespace Jobs.Diagnostics;

/// <summary>A logger of the host, whose providers may throw: a log that is full or locked must change nothing about a job.</summary>
/// <remarks>All of Jobs logs through it. What a provider throws is dropped, for there is nobody left to tell; the other providers have got the line.</remarks>
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
                Log(logLevel, eventId, state, null, formatter); // a provider could not print it: the line counts more
            }
        }
    }

    /// <summary>Ends with <see cref="End"/>: the scope is the providers' own, so that a run allocates nothing more.</summary>
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
