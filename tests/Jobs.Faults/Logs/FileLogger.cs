using System.Globalization;
using Jobs.Faults.Load;
using Microsoft.Extensions.Logging;

namespace Jobs.Faults.Logs;

/// <summary>Writes what Jobs says to a file, and to the records what the check needs of it: each line that stands for deliveries or publishes which may come twice.</summary>
/// <param name="path">The file.</param>
/// <param name="records">The records.</param>
/// <param name="process">Which kind of process, as in the records of memory.</param>
sealed class FileLogger(string path, RecordFile records, int process) : ILoggerProvider, ILogger
{
    const int Retrying = 201;
    const int Dead = 202;
    const int QueueGone = 423;
    const int Republishing = 422;
    const int Consuming = 440;
    const int ConsumingAgain = 446;
    const int ConsumerLost = 441;
    const int KeeperLeads = 150;
    const int KeeperLost = 151;
    const int KeeperFailed = 152;
    const int LettersMoved = 156;

    readonly Lock gate = new();
    readonly StreamWriter file = new(File.Open(path, FileMode.CreateNew, FileAccess.Write, FileShare.Read)) { AutoFlush = true };
    bool closed;

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Debug;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        // Retries and deaths are asked for by the load itself, thousands of times.
        if (!IsEnabled(logLevel) || eventId.Id is Retrying or Dead && exception is DeadJobException { Message: LoadTasks.Death })
        {
            return;
        }

        switch (eventId.Id)
        {
            case Republishing: records.Write(Said.Republished, Value<int>(state, "Count"), process); break;
            case Consuming or ConsumingAgain when Value<string>(state, "Queue") == LoadQueues.DeadLetters:
                records.Write(Said.SweepBegan, Value<int>(state, "Prefetch"), RecordFile.Process);
                break;
            case Consuming or ConsumingAgain: records.Write(Said.Subscribed, Value<int>(state, "Prefetch"), Queue(state)); break;
            case ConsumerLost: records.Write(Said.ConsumerLost, queue: Queue(state)); break;
            case KeeperLeads: records.Write(Said.KeeperLeads, queue: RecordFile.Process); break;
            case KeeperLost or KeeperFailed: records.Write(Said.KeeperLost, queue: RecordFile.Process); break;
            case LettersMoved: records.Write(Said.RequestDone, queue: RecordFile.Process); break;
            case QueueGone: records.Write(Said.QueueGone, queue: Queue(state)); break;
        }

        var line = string.Create(CultureInfo.InvariantCulture, $"{DateTime.UtcNow:HH:mm:ss.fff} {logLevel,-11} {eventId.Id,4} {formatter(state, exception)}");
        lock (gate)
        {
            if (!closed)
            {
                file.WriteLine(exception is null ? line : $"{line} | {exception.GetType().Name}: {exception.Message}");
            }
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            closed = true;
            file.Dispose();
        }
    }

    static int Queue<TState>(TState state) => LoadQueues.IndexOf(Value<string>(state, "Queue"));

    static T? Value<T>(object? state, string name) =>
        state is IReadOnlyList<KeyValuePair<string, object?>> values && values.FirstOrDefault(v => v.Key == name).Value is T value ? value : default;
}
