using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Jobs.Contracts;

/// <summary>
/// User code that throws at one boundary of Jobs: a logger, a listener, a clock, or a service of the job's scope.
/// </summary>
public sealed class ThrowingCode : IDisposable
{
    readonly string boundary;
    readonly Listeners listeners;

    /// <param name="boundary">One of <see cref="Boundaries"/>.</param>
    public ThrowingCode(string boundary) => (this.boundary, listeners) = (boundary, new(boundary));

    /// <summary>The boundaries where the user code can throw. The first one throws nowhere.</summary>
    public static TheoryData<string> Boundaries =>
    [
        "nothing", "log", "IsEnabled", "scope", "end of the scope", "sampler", "start of a span", "end of a span", "new metric", "metric", "clock", "timestamp", "timer", "service of the run",
    ];

    /// <summary>Puts the throwing code into a host.</summary>
    public void AddTo(IServiceCollection services, ILoggingBuilder logging)
    {
        logging.SetMinimumLevel(LogLevel.Trace).AddProvider(new ThrowingLogs(boundary));
        services.AddSingleton<TimeProvider>(new ThrowingTime(boundary));
        services.AddScoped(_ => new ThrowingService(boundary));
    }

    /// <summary>
    /// A task calls this to take a service of its scope. If the boundary is that service, the service throws when it is
    /// disposed at the end of the job.
    /// </summary>
    public static void TakeService(JobContext context) => context.Services.GetRequiredService<ThrowingService>();

    /// <inheritdoc/>
    public void Dispose() => listeners.Dispose();

    static InvalidOperationException Thrown() => new("thrown by the user's code");

    sealed class ThrowingService(string boundary) : IDisposable
    {
        public void Dispose()
        {
            if (boundary == "service of the run")
            {
                throw Thrown();
            }
        }
    }

    sealed class ThrowingLogs(string boundary) : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => categoryName.StartsWith("Jobs.", StringComparison.Ordinal) ? this : Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance;

        public bool IsEnabled(LogLevel logLevel) => boundary == "IsEnabled" ? throw Thrown() : true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (boundary == "log")
            {
                throw new IOException("the disk is full");
            }
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => boundary == "scope" ? throw Thrown() : new Scope(boundary);

        public void Dispose()
        {
        }

        sealed class Scope(string boundary) : IDisposable
        {
            public void Dispose()
            {
                if (boundary == "end of the scope")
                {
                    throw Thrown();
                }
            }
        }
    }

    sealed class ThrowingTime(string boundary) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => boundary == "clock" ? throw Thrown() : base.GetUtcNow();

        public override long GetTimestamp() => boundary == "timestamp" ? throw Thrown() : base.GetTimestamp();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            boundary == "timer" ? throw Thrown() : base.CreateTimer(callback, state, dueTime, period);
    }

    sealed class Listeners : IDisposable
    {
        readonly ActivityListener spans;
        readonly MeterListener metrics = new();

        public Listeners(string boundary)
        {
            spans = new()
            {
                ShouldListenTo = source => source.Name == "Jobs" && boundary is "sampler" or "start of a span" or "end of a span",
                Sample = (ref ActivityCreationOptions<ActivityContext> _) => boundary == "sampler" ? throw Thrown() : ActivitySamplingResult.AllData,
                ActivityStarted = _ => Throw(boundary, "start of a span"),
                ActivityStopped = _ => Throw(boundary, "end of a span"),
            };
            ActivitySource.AddActivityListener(spans);
            var begun = false; // Start reports the instruments that exist already: they belong to other hosts
            metrics.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == "Jobs" && begun)
                {
                    Throw(boundary, "new metric");
                }

                if (instrument.Meter.Name == "Jobs" && boundary == "metric")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            metrics.SetMeasurementEventCallback<long>((_, _, _, _) => throw Thrown());
            metrics.SetMeasurementEventCallback<double>((_, _, _, _) => throw Thrown());
            metrics.Start();
            begun = true;
        }

        public void Dispose()
        {
            spans.Dispose();
            metrics.Dispose();
        }

        static void Throw(string boundary, string here)
        {
            if (boundary == here)
            {
                throw Thrown();
            }
        }
    }
}
