using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Jobs.Contracts;

/// <summary>Keeps the log lines of hosts.</summary>
public sealed class LogLines : ILoggerProvider, ILogger
{
    /// <summary>The lines with their event ids.</summary>
    public ConcurrentQueue<(int Event, LogLevel Level, string Text)> All { get; } = new();

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => this;

    /// <inheritdoc/>
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    /// <inheritdoc/>
    public bool IsEnabled(LogLevel logLevel) => true;

    /// <inheritdoc/>
    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        All.Enqueue((eventId.Id, logLevel, $"{formatter(state, exception)} {exception}"));

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
