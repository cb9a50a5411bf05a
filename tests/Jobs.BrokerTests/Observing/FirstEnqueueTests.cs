using System.Collections.Concurrent;
using System.Diagnostics;
using Jobs.Brokers;
using Jobs.BrokerTests.Brokers;
using Jobs.BrokerTests.Rabbit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Jobs.BrokerTests.Observing;

/// <summary>The first enqueue opens the connection, and the connection outlives it.</summary>
public sealed class FirstEnqueueTests(BrokerFixture brokers) : IAsyncDisposable
{
    const int Connected = 400, Recovered = 402;

    readonly Bench bench = new(brokers.Broker);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Fact]
    public async Task Its_activity_is_not_on_the_lines_of_the_connection()
    {
        var seen = new ActivityRecorder();
        var proxy = bench.Proxy();
        var host = bench.Host(proxy.Through(brokers.Broker.AmqpUri).ToString(), more: jobs => jobs.Services.AddSingleton<ILoggerProvider>(seen));
        using (new Activity("request").Start())
        {
            await Bench.Jobs(host).EnqueueAsync(ProbeTask.Job(), TestContext.Current.CancellationToken);
        }

        proxy.ResetAll();
        await Eventually.BecomesAsync(() => bench.Logged(Recovered) == 1, TimeSpan.FromSeconds(20), "the connection to be back");

        Assert.Contains(seen.Lines, line => line.Id == Connected);
        Assert.All(seen.Lines.Where(line => line.Id is >= Connected and < 500), line => Assert.Null(line.Activity));
    }

    sealed class ActivityRecorder : ILoggerProvider, ILogger
    {
        public ConcurrentQueue<(int Id, string? Activity)> Lines { get; } = new();

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Lines.Enqueue((eventId.Id, Activity.Current?.OperationName));

        public void Dispose()
        {
        }
    }
}
