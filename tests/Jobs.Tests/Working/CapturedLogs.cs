using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Jobs.Tests.Working;

/// <summary>A log line with the scopes it was written in.</summary>
sealed record LogLine(string Category, int EventId, LogLevel Level, string Text, Exception? Exception, IReadOnlyDictionary<string, object?> Scope);

/// <summary>Keeps all log lines.</summary>
sealed class CapturedLogs : ILoggerProvider, ISupportExternalScope
{
    IExternalScopeProvider scopes = new LoggerExternalScopeProvider();

    public ConcurrentQueue<LogLine> Lines { get; } = new();

    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    public void SetScopeProvider(IExternalScopeProvider scopeProvider) => scopes = scopeProvider;

    public void Dispose()
    {
    }

    sealed class Logger(CapturedLogs logs, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => logs.scopes.Push(state);

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            var scope = new Dictionary<string, object?>();
            logs.scopes.ForEachScope(
                (item, all) =>
                {
                    foreach (var (name, value) in item as IEnumerable<KeyValuePair<string, object?>> ?? [])
                    {
                        all[name] = value;
                    }
                },
                scope);
            logs.Lines.Enqueue(new(category, eventId.Id, logLevel, formatter(state, exception), exception, scope));
        }
    }
}
